/* SPDX-License-Identifier: Apache-2.0 */
#include "varlink/idl_lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int idl_fail(IdlError *error, IdlPosition position, const char *fmt, ...) {
        va_list args;

        error->position = position;
        va_start(args, fmt);
        vsnprintf(error->text, sizeof(error->text), fmt, args);
        va_end(args);
        return -EINVAL;
}

void idl_lexer_init(IdlLexer *lexer, const char *text, size_t size, IdlError *error) {
        *lexer = (IdlLexer){
                .p = text,
                .end = text + size,
                .mark = text,
                .line = 1,
                .column = 1,
                .error = error,
        };
}

void idl_lexer_done(IdlLexer *lexer) {
        buffer_done(&lexer->trailing);
        buffer_done(&lexer->comments);
}

/* Positions are asked for in the order of the text, so columns are counted once. */
static IdlPosition position_of(IdlLexer *lexer, const char *at) {
        for (; lexer->mark < at; lexer->mark++)
                if (((unsigned char)*lexer->mark & 0xc0) != 0x80)
                        lexer->column++;
        return (IdlPosition){ .line = lexer->line, .column = lexer->column };
}

static void append_line(Buffer *doc, const char *s, size_t size) {
        if (doc->size > 0)
                buffer_append_byte(doc, '\n');
        buffer_append(doc, s, size);
}

/* From the `#` to the end of the line, without white space at its end. */
static int read_comment(IdlLexer *lexer, Buffer *doc) {
        const char *start = lexer->p;
        const char *stop = memchr(start, '\n', (size_t)(lexer->end - start));

        if (!stop)
                stop = lexer->end;
        lexer->p = stop;
        while (strchr(" \t\r", stop[-1]))
                stop--;
        for (const char *p = start; p < stop; p++)
                if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
                        return idl_fail(lexer->error, position_of(lexer, p),
                                        "control byte 0x%02x in a comment", (unsigned char)*p);
        if (!text_is_utf8(start, (size_t)(stop - start)))
                return idl_fail(lexer->error, position_of(lexer, start),
                                "this comment is not valid UTF-8");
        append_line(doc, start, (size_t)(stop - start));
        return 0;
}

static void append_empty_line(Buffer *doc, unsigned newlines) {
        if (newlines >= 2 && doc->size > 0)
                append_line(doc, "", 0);
}

/* Skips to the next token and collects the comments on the way. */
static int read_space(IdlLexer *lexer) {
        bool is_same_line = lexer->token.text != NULL;
        unsigned newlines = 0;

        for (; lexer->p < lexer->end; lexer->p++) {
                char c = *lexer->p;
                if (c == '#') {
                        append_empty_line(&lexer->comments, newlines);
                        newlines = 0;
                        int r = read_comment(lexer,
                                             is_same_line ? &lexer->trailing : &lexer->comments);
                        if (r < 0)
                                return r;
                        if (lexer->p == lexer->end)
                                break;
                        c = '\n';
                }
                if (c == '\n') {
                        newlines++;
                        is_same_line = false;
                        lexer->line++;
                        lexer->column = 1;
                        lexer->mark = lexer->p + 1;
                } else if (c != ' ' && c != '\t' && c != '\r') {
                        break;
                }
        }
        append_empty_line(&lexer->comments, newlines);
        return 0;
}

static bool is_word_byte(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
}

static int read_word(IdlLexer *lexer) {
        IdlToken *token = &lexer->token;

        while (lexer->p < lexer->end && is_word_byte(*lexer->p))
                lexer->p++;
        token->kind = IDL_TOKEN_WORD;
        token->size = (size_t)(lexer->p - token->text);
        if (token->size > IDL_NAME_MAX)
                return idl_fail(lexer->error, token->position, "a name is longer than %d bytes",
                                IDL_NAME_MAX);
        return 0;
}

int idl_lexer_next(IdlLexer *lexer) {
        static const char marks[] = "()[],:?";
        IdlToken *token = &lexer->token;

        lexer->trailing.size = lexer->comments.size = 0;
        int r = read_space(lexer);
        if (r < 0)
                return r;
        *token = (IdlToken){ .text = lexer->p, .position = position_of(lexer, lexer->p) };
        if (lexer->p == lexer->end) {
                *token = (IdlToken){ .text = "end of text",
                                     .size = strlen("end of text"),
                                     .position = token->position };
                return 0;
        }
        size_t left = (size_t)(lexer->end - lexer->p);
        if (left >= 2 && memcmp(lexer->p, "->", 2) == 0) {
                token->kind = IDL_TOKEN_ARROW;
                token->size = 2;
        } else if (*lexer->p && strchr(marks, *lexer->p)) {
                token->kind = IDL_TOKEN_OPEN + (unsigned)(strchr(marks, *lexer->p) - marks);
                token->size = 1;
        } else if (is_word_byte(*lexer->p)) {
                return read_word(lexer);
        } else if (*lexer->p > 0x20 && *lexer->p < 0x7f) {
                return idl_fail(lexer->error, token->position, "unexpected character '%c'",
                                *lexer->p);
        } else {
                return idl_fail(lexer->error, token->position, "unexpected byte 0x%02x",
                                (unsigned char)*lexer->p);
        }
        lexer->p += token->size;
        return 0;
}
