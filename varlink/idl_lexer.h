/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Words and marks of an interface text, with one token of look-ahead.
 *
 * A word is any run of letters, digits, `_`, `.` and `-`: whether it is a keyword, a field name or
 * the name of an interface is for the parser to say, which knows what it wanted and can say so.
 */

#include "varlink/idl.h"

typedef enum IdlTokenKind {
        IDL_TOKEN_END,
        IDL_TOKEN_WORD,
        IDL_TOKEN_OPEN,    /* ( */
        IDL_TOKEN_CLOSE,   /* ) */
        IDL_TOKEN_BRACKET, /* [ */
        IDL_TOKEN_UNBRACKET,
        IDL_TOKEN_COMMA,
        IDL_TOKEN_COLON,
        IDL_TOKEN_QUESTION,
        IDL_TOKEN_ARROW, /* -> */
        _IDL_TOKEN_MAX,
} IdlTokenKind;

typedef struct IdlToken {
        IdlTokenKind kind;
        const char *text; /* in the source; its end is "end of text" when printed */
        size_t size;
        IdlPosition position;
} IdlToken;

typedef struct IdlLexer {
        const char *p, *end;
        const char *mark; /* line and column are those of this byte */
        unsigned line, column;
        IdlToken token;  /* the one to be looked at next */
        Buffer trailing; /* a comment after the previous token, on its line */
        Buffer comments; /* comments on lines of their own before the token */
        IdlError *error;
} IdlLexer;

/** idl_lexer_init() - stands before the first token; call idl_lexer_next() to reach it */
void idl_lexer_init(IdlLexer *lexer, const char *text, size_t size, IdlError *error);
void idl_lexer_done(IdlLexer *lexer);

/** idl_lexer_next() - step to the next token; 0, -EINVAL */
int idl_lexer_next(IdlLexer *lexer);

/** idl_fail() - fill the error; returns -EINVAL */
int idl_fail(IdlError *error, IdlPosition position, const char *fmt, ...) _printf_(3, 4);

/**
 * idl_resolve() - bind names to their types and check what needs the whole interface; 0, -EINVAL
 */
int idl_resolve(Idl *idl, IdlError *error);
