/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Interface texts: the tree that is made of one, the canonical text that is made of a tree, and the
 * interfaces of this project against the contracts that they must keep.
 */

#include "varlink/idl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/text.h"
#include "tests/unit/idl-equal.h"

#define _cleanup_arena_ _cleanup_(arena_done)

static const Idl *parse(const char *text, Arena *arena) {
        IdlError error;
        const Idl *idl;

        if (idl_parse(text, strlen(text), arena, &idl, &error) < 0)
                fail_msg("%u:%u: %s", error.position.line, error.position.column, error.text);
        return idl;
}

static char *format(const Idl *idl) {
        Buffer buffer = BUFFER_INIT;

        idl_format(idl, &buffer);
        return buffer_take_string(&buffer);
}

static char *read_source(const char *path) {
        _cleanup_free_ char *full = xasprintf("%s/%s", getenv("SOURCE_ROOT"), path);
        char *text;

        if (file_read_at(AT_FDCWD, full, IDL_TEXT_MAX, &text, NULL) < 0)
                fail_msg("cannot read %s", full);
        return text;
}

static void a_tree_holds_what_was_written(void **state) {
        _cleanup_arena_ Arena arena = ARENA_INIT;
        const Idl *idl = parse("# About\r\n# it.\r\ninterface org.example.a-b2\r\n"
                               "\r\n"
                               "type T(a:?[][string]?int,b:(x,y),c:[string](),d:U)type U()\n"
                               "method M (t: T)->()error E(why: any)",
                               &arena);

        (void)state;
        assert_string_equal(idl->name, "org.example.a-b2");
        assert_string_equal(idl->doc, "# About\n# it.");
        assert_int_equal(idl->members_count, 4);
        const IdlType *t = idl_find(idl, "T")->type;
        assert_int_equal(t->fields_count, 4);
        const IdlType *a = t->fields[0].type;
        assert_int_equal(a->kind, IDL_ARRAY);
        assert_true(a->is_nullable);
        assert_int_equal(a->element->kind, IDL_MAP);
        assert_false(a->element->is_nullable);
        assert_int_equal(a->element->element->kind, IDL_INT);
        assert_true(a->element->element->is_nullable);
        assert_int_equal(t->fields[1].type->kind, IDL_ENUM);
        assert_string_equal(t->fields[1].type->fields[1].name, "y");
        assert_int_equal(t->fields[2].type->kind, IDL_SET);
        assert_ptr_equal(t->fields[3].type->target, idl_find(idl, "U"));
        assert_int_equal(idl_find(idl, "M")->kind, IDL_MEMBER_METHOD);
        assert_int_equal(idl_find(idl, "M")->position.line, 6);
        assert_int_equal(idl_find(idl, "M")->position.column, 8);
        assert_int_equal(idl_find(idl, "E")->type->fields[0].type->kind, IDL_OBJECT);
        assert_null(idl_find(idl, "X"));
}

static void names_lead_to_types(void **state) {
        _cleanup_arena_ Arena arena = ARENA_INIT;
        const Idl *idl =
                parse("interface a.b type A B type B ?C type C int type D (a: A, c: C)", &arena);
        const IdlType *d = idl_find(idl, "D")->type;

        (void)state;
        assert_int_equal(idl_type_resolve(d->fields[0].type)->kind, IDL_INT);
        assert_true(idl_type_is_nullable(d->fields[0].type));
        assert_false(idl_type_is_nullable(d->fields[1].type));
}

static void comments_belong_to_what_they_stand_at(void **state) {
        _cleanup_arena_ Arena arena = ARENA_INIT;
        const Idl *idl = parse("# license\n"
                               "\n"
                               "\n"
                               "# about\n"
                               "#\n"
                               "#   indented  \n"
                               "interface a.b # same line\n"
                               "# detached\n"
                               "\n"
                               "type T ( # of a\n"
                               "  # also of a\n"
                               "  a: int, # a too\n"
                               "  b: int # of b\n"
                               "  , # b as well\n"
                               "  c: (one, # first\n"
                               "    two)\n"
                               "  # nobody's\n"
                               ") # of T\n"
                               "method M() -> ()\n"
                               "# the end",
                               &arena);
        const IdlType *t = idl_find(idl, "T")->type;

        (void)state;
        assert_string_equal(idl->doc, "# license\n\n# about\n#\n#   indented\n# same line");
        assert_string_equal(idl_find(idl, "T")->doc, "# detached\n\n# of T");
        assert_string_equal(t->fields[0].doc, "# of a\n# also of a\n# a too");
        assert_string_equal(t->fields[1].doc, "# of b\n# b as well");
        assert_null(t->fields[2].doc);
        assert_string_equal(t->fields[2].type->fields[0].doc, "# first");
        assert_null(idl_find(idl, "M")->doc);
}

/* What is formatted is in the canonical form, which formatting leaves as it is. */
static void assert_formats(const char *text, const char *expected) {
        _cleanup_arena_ Arena arena = ARENA_INIT;
        const Idl *first = parse(text, &arena);
        _cleanup_free_ char *once = format(first);
        const Idl *second = parse(once, &arena);
        _cleanup_free_ char *twice = format(second);

        if (expected)
                assert_string_equal(once, expected);
        assert_string_equal(twice, once);
        const char *difference = idl_difference(first, second, true);
        if (difference)
                fail_msg("formatting changed %s:\n%s", difference, once);
}

static void format_breaks_what_is_long(void **state) {
        (void)state;
        assert_formats("interface a.b", "interface a.b\n");
        assert_formats("interface a.b type A(b:int)error E()method M(a:?[]int)->(b:[string]())",
                       "interface a.b\n"
                       "\n"
                       "type A (b: int)\n"
                       "\n"
                       "error E ()\n"
                       "\n"
                       "method M(a: ?[]int) -> (b: [string]())\n");
        /* 80 columns stay on one line, 81 do not. */
        _cleanup_free_ char *name = xnew(char, 57);
        memset(name, 'b', 56);
        for (int n = 55; n <= 56; n++) {
                _cleanup_free_ char *text =
                        xasprintf("interface a.b type A (a: string, %.*s: int)", n, name);
                _cleanup_free_ char *expected =
                        n == 55 ? xasprintf("interface a.b\n\ntype A (a: string, %s: int)\n",
                                            name + 1)
                                : xasprintf(
                                          "interface a.b\n\ntype A (\n  a: string,\n  %s: int\n)\n",
                                          name);
                assert_formats(text, expected);
        }
        assert_formats("interface a.b method Test07(client_id: string, struct: (bool: bool, int: "
                       "int, float: float, string: string)) -> (map: [string]string)",
                       "interface a.b\n"
                       "\n"
                       "method Test07(\n"
                       "  client_id: string,\n"
                       "  struct: (bool: bool, int: int, float: float, string: string)\n"
                       ") -> (map: [string]string)\n");
}

static void format_keeps_comments(void **state) {
        (void)state;
        assert_formats(
                "# one\n\n\n# two\n\ninterface a.b\n# of A\ntype A (\n# of b\nb: (c, # of c\n"
                "d), e: int) # A too\n",
                "# one\n"
                "\n"
                "# two\n"
                "\n"
                "interface a.b\n"
                "\n"
                "# of A\n"
                "# A too\n"
                "type A (\n"
                "  # of b\n"
                "  b: (\n"
                "    # of c\n"
                "    c,\n"
                "    d\n"
                "  ),\n"
                "  e: int\n"
                ")\n");
}

static void every_interface_formats_to_itself(void **state) {
        static const char *const paths[] = {
                "idl/io.podman.varlink",
                "idl/org.varlink.service.varlink",
                "idl/selkie.state.varlink",
                "tests/certification/org.varlink.certification.varlink",
                "tests/golden/idl/io.podman-contract.varlink",
                "tests/golden/varlinkgen/small-aliases.varlink",
                "tests/golden/varlinkgen/small-circles.varlink",
                "tests/golden/varlinkgen/small-many.varlink",
                "tests/golden/varlinkgen/small-ping.varlink",
                "tests/golden/varlinkgen/small-shapes.varlink",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                _cleanup_free_ char *text = read_source(paths[i]);
                assert_formats(text, NULL);
        }
}

/* Our text of io.podman says more in its comments, and exactly the same in everything else. */
static void the_contract_is_kept(void **state) {
        _cleanup_arena_ Arena arena = ARENA_INIT;
        _cleanup_free_ char *ours_text = read_source("idl/io.podman.varlink");
        _cleanup_free_ char *contract_text =
                read_source("tests/golden/idl/io.podman-contract.varlink");
        const Idl *ours = parse(ours_text, &arena), *contract = parse(contract_text, &arena);
        size_t counts[_IDL_MEMBER_MAX] = { 0 };

        (void)state;
        const char *difference = idl_difference(ours, contract, false);
        if (difference)
                fail_msg("%s differs from the contract", difference);
        for (size_t i = 0; i < ours->members_count; i++) {
                counts[ours->members[i].kind]++;
                if (!ours->members[i].doc)
                        fail_msg("%s has no comment", ours->members[i].name);
        }
        assert_int_equal(counts[IDL_MEMBER_METHOD], 64);
        assert_int_equal(counts[IDL_MEMBER_TYPE], 30);
        assert_int_equal(counts[IDL_MEMBER_ERROR], 8);
}

static void the_comparison_sees_differences(void **state) {
        static const char base[] = "interface a.b type A (a: int, b: []string) # doc";
        static const char *const others[] = {
                "interface a.c type A (a: int, b: []string) # doc",
                "interface a.b type A (b: []string, a: int) # doc",
                "interface a.b type A (a: int, b: []?string) # doc",
                "interface a.b type A (a: int, b: []int) # doc",
                "interface a.b type A (a: int) # doc",
                "interface a.b type A (a: int, b: []string) # doc\ntype B ()",
                "interface a.b error A (a: int, b: []string) # doc",
                "interface a.b type A (a: int, b: []string) # other",
        };
        _cleanup_arena_ Arena arena = ARENA_INIT;
        const Idl *first = parse(base, &arena);

        (void)state;
        assert_null(idl_difference(first, parse(base, &arena), true));
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                assert_non_null(idl_difference(first, parse(others[i], &arena), true));
}

static void refusals_that_no_file_can_hold(void **state) {
        static const char bad_utf8[] = "interface a.b\n  # bad \xff\n";
        static const char nul[] = "interface a.b\n\0type A ()";
        _cleanup_arena_ Arena arena = ARENA_INIT;
        _cleanup_free_ char *large = xnew(char, IDL_TEXT_MAX + 1);
        IdlError error;
        const Idl *idl;

        (void)state;
        assert_int_equal(idl_parse(bad_utf8, strlen(bad_utf8), &arena, &idl, &error), -EINVAL);
        assert_string_equal(error.text, "this comment is not valid UTF-8");
        assert_int_equal(error.position.line, 2);
        assert_int_equal(error.position.column, 3);
        assert_int_equal(idl_parse(nul, sizeof(nul) - 1, &arena, &idl, &error), -EINVAL);
        assert_string_equal(error.text, "unexpected byte 0x00");
        assert_int_equal(idl_parse("", 0, &arena, &idl, &error), -EINVAL);

        memset(large, ' ', IDL_TEXT_MAX + 1);
        (void)mempcpy(large, "interface a.b", strlen("interface a.b"));
        assert_int_equal(idl_parse(large, IDL_TEXT_MAX, &arena, &idl, &error), 0);
        assert_int_equal(idl_parse(large, IDL_TEXT_MAX + 1, &arena, &idl, &error), -EINVAL);
        assert_string_equal(error.text, "the text is longer than 1048576 bytes");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tree_holds_what_was_written),
                cmocka_unit_test(names_lead_to_types),
                cmocka_unit_test(comments_belong_to_what_they_stand_at),
                cmocka_unit_test(format_breaks_what_is_long),
                cmocka_unit_test(format_keeps_comments),
                cmocka_unit_test(every_interface_formats_to_itself),
                cmocka_unit_test(the_contract_is_kept),
                cmocka_unit_test(the_comparison_sees_differences),
                cmocka_unit_test(refusals_that_no_file_can_hold),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
