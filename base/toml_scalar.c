/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Strings, numbers, booleans and dates.
 *
 * The text ends in a NUL and has none before, so looking at the next character is always allowed,
 * and looking further once the one before was not NUL. Source: toml.io/en/v1.0.0.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml_parser.h"

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static int digit_value(char c) {
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

static bool is_word(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '-' || c == '+' || c == '.' || c == ':';
}

/* The closing quote of a string that begins at @begin, or NULL with the error set. */
static const char *find_end(TomlParser *parser, const char *begin, char quote, bool has_lines) {
        for (const char *p = begin;; p++) {
                if (*p == '\\' && quote == '"' && p[1] != '\0')
                        p++;
                else if (*p == '\0' || (*p == '\n' && !has_lines)) {
                        (void)toml_parse_fail(parser, parser->at, ERR_INVALID,
                                              "a string has no end%s",
                                              has_lines ? "" : " on its line");
                        return NULL;
                } else if (*p == quote && !has_lines)
                        return p;
                else if (*p == quote && p[1] == quote && p[2] == quote) {
                        /* Up to two more quotes before the closing three are content. */
                        for (int i = 0; i < 2 && p[3] == quote; i++)
                                p++;
                        return p;
                }
        }
}

static char *put_utf8(char *to, uint32_t point) {
        if (point < 0x80) {
                *to++ = (char)point;
        } else if (point < 0x800) {
                *to++ = (char)(0xc0 | point >> 6);
                *to++ = (char)(0x80 | (point & 0x3f));
        } else if (point < 0x10000) {
                *to++ = (char)(0xe0 | point >> 12);
                *to++ = (char)(0x80 | (point >> 6 & 0x3f));
                *to++ = (char)(0x80 | (point & 0x3f));
        } else {
                *to++ = (char)(0xf0 | point >> 18);
                *to++ = (char)(0x80 | (point >> 12 & 0x3f));
                *to++ = (char)(0x80 | (point >> 6 & 0x3f));
                *to++ = (char)(0x80 | (point & 0x3f));
        }
        return to;
}

/* @at is the backslash of \uXXXX or \UXXXXXXXX. */
static int decode_point(TomlParser *parser, const char *at, uint32_t *ret) {
        int digits = at[1] == 'u' ? 4 : 8;
        uint32_t point = 0;

        for (int i = 0; i < digits; i++) {
                int value = digit_value(at[2 + i]);
                if (value > 15)
                        return toml_parse_fail(parser, at, ERR_INVALID,
                                               "\\%c needs %d hexadecimal digits", at[1], digits);
                point = point << 4 | (uint32_t)value;
        }
        if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return toml_parse_fail(parser, at, ERR_INVALID,
                                       "U+%04X is no character that a string can contain", point);
        *ret = point;
        return 2 + digits;
}

/* A backslash at the end of a line removes what is blank up to the next text; 0 if it is none. */
static size_t skip_line_end(const char *at) {
        const char *p = at + 1 + strspn(at + 1, " \t");

        if (*p != '\n' && !(p[0] == '\r' && p[1] == '\n'))
                return 0;
        return (size_t)(p + strspn(p, " \t\r\n") - at);
}

/* Decodes one escape at @at to @to; returns the characters read. */
static int decode_escape(TomlParser *parser, const char *at, bool has_lines, char **to) {
        static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
        const char *letter = at[1] ? strchr(letters, at[1]) : NULL;

        if (letter) {
                *(*to)++ = meanings[letter - letters];
                return 2;
        }
        if (at[1] == 'u' || at[1] == 'U') {
                uint32_t point = 0;
                int n = decode_point(parser, at, &point);
                if (n > 0)
                        *to = put_utf8(*to, point);
                return n;
        }
        size_t n = has_lines ? skip_line_end(at) : 0;
        if (n == 0)
                return toml_parse_fail(parser, at, ERR_INVALID, "\\ begins no known escape here");
        return (int)n;
}

int toml_parse_text(TomlParser *parser, bool allows_lines, const char **ret) {
        char quote = *parser->at;
        bool has_lines = parser->at[1] == quote && parser->at[2] == quote;
        const char *from = parser->at + (has_lines ? 3 : 1);

        if (has_lines && !allows_lines)
                return toml_parse_fail(parser, parser->at, ERR_INVALID,
                                       "a key cannot have several lines");
        const char *end = find_end(parser, from, quote, has_lines);
        if (!end)
                return -1;
        if (has_lines) {
                from += *from == '\r';
                from += *from == '\n';
        }
        /* No escape is shorter than what it stands for. */
        char *text = arena_alloc(&parser->toml->arena, (size_t)(end - from) + 1), *to = text;
        while (from < end) {
                if (*from != '\\' || quote == '\'') {
                        *to++ = *from++;
                        continue;
                }
                int n = decode_escape(parser, from, has_lines, &to);
                if (n < 0)
                        return -1;
                from += n;
        }
        parser->at = end + (has_lines ? 3 : 1);
        *ret = text;
        return 0;
}

/* Two digits in a range; -1 if they are none. */
static int two_digits(const char *p, int min, int max) {
        if (!is_digit(p[0]) || !is_digit(p[1]))
                return -1;
        int value = (p[0] - '0') * 10 + p[1] - '0';
        return value >= min && value <= max ? value : -1;
}

static int days_of(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && is_leap);
}

/* The end of YYYY-MM-DD at @p, or NULL. */
static const char *scan_day(const char *p) {
        int century = two_digits(p, 0, 99);
        int year = century < 0 ? -1 : two_digits(p + 2, 0, 99);
        int month = year < 0 || p[4] != '-' ? -1 : two_digits(p + 5, 1, 12);

        if (month < 0 || p[7] != '-' ||
            two_digits(p + 8, 1, days_of(century * 100 + year, month)) < 0)
                return NULL;
        return p + 10;
}

/* The end of HH:MM:SS and a fraction at @p, or NULL. 60 is a leap second. */
static const char *scan_time(const char *p) {
        if (two_digits(p, 0, 23) < 0 || p[2] != ':' || two_digits(p + 3, 0, 59) < 0 ||
            p[5] != ':' || two_digits(p + 6, 0, 60) < 0)
                return NULL;
        p += 8;
        if (*p == '.') {
                size_t digits = strspn(p + 1, "0123456789");
                return digits ? p + 1 + digits : NULL;
        }
        return p;
}

static const char *scan_offset(const char *p) {
        if (*p == 'Z' || *p == 'z')
                return p + 1;
        if (*p != '+' && *p != '-')
                return p;
        if (two_digits(p + 1, 0, 23) < 0 || p[3] != ':' || two_digits(p + 4, 0, 59) < 0)
                return NULL;
        return p + 6;
}

static const char *scan_date(const char *p) {
        if (is_digit(p[0]) && is_digit(p[1]) && p[2] == ':')
                return scan_time(p);
        p = scan_day(p);
        bool has_time = p && (*p == 'T' || *p == 't' || (*p == ' ' && is_digit(p[1])));
        if (has_time)
                p = scan_time(p + 1);
        return p && has_time ? scan_offset(p) : p;
}

static bool looks_like_date(const char *p) {
        size_t digits = strspn(p, "0123456789");

        return (digits == 4 && p[4] == '-') || (digits == 2 && p[2] == ':');
}

static int parse_date(TomlParser *parser, TomlValue *value) {
        const char *end = scan_date(parser->at);

        if (!end || is_word(*end))
                return toml_parse_fail(parser, parser->at, ERR_INVALID,
                                       "this is no date or time that exists");
        value->kind = TOML_DATE;
        value->text = arena_strndup(&parser->toml->arena, parser->at, (size_t)(end - parser->at));
        parser->at = end;
        return 0;
}

/* A number without its underscores. */
typedef struct Digits {
        char text[TOML_NUMBER_MAX + 1];
        size_t length;
        bool is_too_long;
} Digits;

static void digits_add(Digits *digits, char c) {
        if (digits->length == TOML_NUMBER_MAX)
                digits->is_too_long = true;
        else
                digits->text[digits->length++] = c;
}

/* One or more digits, single underscores between them; the end, or NULL. */
static const char *scan_digits(const char *p, int base, Digits *digits) {
        for (;; p++) {
                if (digit_value(*p) >= base)
                        return NULL;
                digits_add(digits, *p);
                if (p[1] == '_')
                        p++;
                else if (digit_value(p[1]) >= base)
                        return p + 1;
        }
}

/* Checks a decimal number at @p and says whether it is a float; the end, or NULL. */
static const char *scan_decimal(const char *p, Digits *digits, bool *ret_is_float) {
        *ret_is_float = false;
        if (*p == '+' || *p == '-')
                digits_add(digits, *p++);
        if (p[0] == '0' && (is_digit(p[1]) || p[1] == '_'))
                return NULL;
        p = scan_digits(p, 10, digits);
        if (p && *p == '.') {
                *ret_is_float = true;
                digits_add(digits, '.');
                p = scan_digits(p + 1, 10, digits);
        }
        if (p && (*p == 'e' || *p == 'E')) {
                *ret_is_float = true;
                digits_add(digits, 'e');
                p++;
                if (*p == '+' || *p == '-')
                        digits_add(digits, *p++);
                p = scan_digits(p, 10, digits);
        }
        return p;
}

static int base_of(const char *p) {
        if (p[0] != '0')
                return 10;
        return p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : p[1] == 'b' ? 2 : 10;
}

static const char *scan_special(const char *p, double *ret) {
        bool is_negative = *p == '-';

        p += *p == '+' || *p == '-';
        if (strncmp(p, "inf", 3) == 0)
                *ret = is_negative ? -INFINITY : INFINITY;
        else if (strncmp(p, "nan", 3) == 0)
                *ret = NAN;
        else
                return NULL;
        return p + 3;
}

static bool begins_number(char c) {
        return is_digit(c) || c == '+' || c == '-' || c == '.';
}

static int parse_number(TomlParser *parser, TomlValue *value) {
        Digits digits = { .length = 0 };
        const char *begin = parser->at;
        bool is_float = true;

        const char *end = scan_special(begin, &value->real);
        bool is_special = end != NULL;
        int base = base_of(begin);
        if (!is_special && base != 10) {
                is_float = false;
                end = scan_digits(begin + 2, base, &digits);
        } else if (!is_special)
                end = scan_decimal(begin, &digits, &is_float);

        if (!end || is_word(*end))
                return toml_parse_fail(parser, begin, ERR_INVALID, "%s",
                                       begins_number(*begin)
                                               ? "this is not a number as TOML writes them"
                                               : "expected a value; a string needs quotes");
        if (digits.is_too_long)
                return toml_parse_fail(parser, begin, ERR_LIMIT,
                                       "a number has more than %d characters", TOML_NUMBER_MAX);
        parser->at = end;
        value->kind = is_float ? TOML_FLOAT : TOML_INTEGER;
        if (is_special)
                return 0;
        errno = 0;
        if (is_float)
                value->real = strtod(digits.text, NULL);
        else
                value->integer = strtoll(digits.text, NULL, base);
        if (!is_float && errno == ERANGE)
                return toml_parse_fail(parser, begin, ERR_INVALID,
                                       "an integer does not fit in 64 bits");
        return 0;
}

/* The length of the word at @p if it is @word, else 0. */
static size_t match_word(const char *p, const char *word) {
        size_t length = strlen(word);

        return strncmp(p, word, length) == 0 && !is_word(p[length]) ? length : 0;
}

int toml_parse_scalar(TomlParser *parser, TomlValue *value) {
        size_t is_true = match_word(parser->at, "true");
        size_t is_false = match_word(parser->at, "false");

        if (is_true || is_false) {
                value->kind = TOML_BOOLEAN;
                value->boolean = is_true != 0;
                parser->at += is_true + is_false;
                return 0;
        }
        return looks_like_date(parser->at) ? parse_date(parser, value)
                                           : parse_number(parser, value);
}
