/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Decoding, with the types of tests/golden/varlinkgen and of the certification interface: what is
 * exact stays exact, what is wrong is refused by its path, and no input makes it use more than it
 * may.
 */

#include "varlink/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "idl/io.podman.h"
#include "tests/certification/org.varlink.certification.h"
#include "tests/golden/varlinkgen/small-circles.h"
#include "tests/golden/varlinkgen/small-many.h"
#include "tests/golden/varlinkgen/small-shapes.h"
#include "tests/golden/varlinkgen/small-words.h"

typedef OrgExampleShapesBasic Basic;
typedef OrgExampleShapesNullable Nullable;
typedef OrgExampleShapesNested Nested;

static const VlType *const basic_type = &org_example_shapes_type_Basic;
static const VlType *const nullable_type = &org_example_shapes_type_Nullable;
static const VlType *const nested_type = &org_example_shapes_type_Nested;

/* What one decoding needs; the document lives as long as the result. */
typedef struct Decoded {
        json_t *document;
        Arena arena;
        char path[CODEC_PATH_MAX];
        void *value;
} Decoded;

static json_t *parse(const char *text, size_t flags) {
        json_error_t error;
        json_t *document = json_loads(text, flags | JSON_REJECT_DUPLICATES, &error);

        if (!document)
                fail_msg("%s: %s", error.text, text);
        return document;
}

static int decode_json(Decoded *d, const VlType *type, json_t *take_document, unsigned flags) {
        d->document = take_document;
        d->arena = (Arena){ .limit = CODEC_MEMORY_MAX };
        d->value = arena_alloc(&d->arena, type->size);
        memset(d->path, 'X', sizeof(d->path));
        return codec_decode(type, d->document, flags, &d->arena, d->value, d->path);
}

static int decode(Decoded *d, const VlType *type, const char *text, unsigned flags) {
        return decode_json(d, type, parse(text, JSON_ALLOW_NUL), flags);
}

static void decoded_done(Decoded *d) {
        arena_done(&d->arena);
        json_decref(d->document);
}
#define _cleanup_decoded_ _cleanup_(decoded_done)

static char *encode(const VlType *type, const void *value) {
        Buffer buffer = BUFFER_INIT;

        codec_encode(type, value, &buffer);
        char *text = buffer_take_string(&buffer);
        assert_non_null(text);
        return text;
}

static void numbers_stay_exact(void **state) {
        _cleanup_decoded_ Decoded d;

        (void)state;
        assert_int_equal(decode(&d, nested_type,
                                "{\"counts\": [9223372036854775807, -9223372036854775808, 0, null,"
                                " 9007199254740993], \"matrix\": [[1, 2.5], [], [1e300]]}",
                                CODEC_STRICT),
                         0);
        const Nested *nested = d.value;
        assert_int_equal(nested->counts.count, 5);
        assert_true(*nested->counts.items[0] == INT64_MAX);
        assert_true(*nested->counts.items[1] == INT64_MIN);
        assert_true(*nested->counts.items[2] == 0);
        assert_null(nested->counts.items[3]);
        assert_true(*nested->counts.items[4] == INT64_C(9007199254740993));
        assert_int_equal(nested->matrix.count, 3);
        assert_true(nested->matrix.items[0].items[0] == 1.0);
        assert_true(nested->matrix.items[0].items[1] == 2.5);
        assert_int_equal(nested->matrix.items[1].count, 0);
        _cleanup_free_ char *text = encode(nested_type, nested);
        assert_non_null(strstr(text, "[9223372036854775807,-9223372036854775808,0,null,"
                                     "9007199254740993]"));
        assert_non_null(strstr(text, "[[1.0,2.5],[],[1e+300]]"));
}

static void missing_and_null_mean_zero(void **state) {
        static const char *const texts[] = {
                "{}",
                "{\"unknown\": [1, {}], \"flags\": 7}",
                "{\"flag\": null, \"count\": null, \"share\": null, \"word\": null, \"thing\": "
                "null,"
                " \"any_thing\": null, \"color\": null, \"point\": null, \"list\": null,"
                " \"table\": null, \"names\": null}",
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_decoded_ Decoded d;
                assert_int_equal(decode(&d, basic_type, texts[i], CODEC_STRICT), 0);
                const Basic *basic = d.value;
                assert_true(basic->present[0] == 0);
                assert_false(basic->flag);
                assert_int_equal(basic->count, 0);
                assert_true(basic->share == 0);
                assert_string_equal(basic->word, "");
                assert_true(json_is_object(basic->thing));
                assert_int_equal(json_object_size(basic->thing), 0);
                assert_ptr_equal(basic->thing, basic->any_thing);
                assert_int_equal(basic->color, OrgExampleShapesBasic_color_red);
                assert_int_equal(basic->point.x, 0);
                assert_int_equal(basic->list.count, 0);
                assert_int_equal(basic->table.count, 0);
                assert_int_equal(basic->names.count, 0);
                _cleanup_free_ char *text = encode(basic_type, basic);
                assert_string_equal(text, "{\"flag\":false,\"count\":0,\"share\":0.0,\"word\":\"\","
                                          "\"thing\":{},\"any_thing\":{},\"color\":\"red\","
                                          "\"point\":{\"x\":0,\"y\":0},\"list\":[],\"table\":{},"
                                          "\"names\":{}}");
        }
}

static void null_is_zero_in_lists_too(void **state) {
        _cleanup_decoded_ Decoded d;

        (void)state;
        assert_int_equal(decode(&d, nested_type,
                                "{\"basics\": [null], \"by_name\": {\"a\": null},"
                                " \"maybe\": [null, {}], \"hues\": {\"b\": null},"
                                " \"sets\": [{\"c\": null, \"d\": {}}], \"nothings\": [null, {}]}",
                                CODEC_STRICT),
                         0);
        const Nested *nested = d.value;
        assert_string_equal(nested->basics.items[0].word, "");
        assert_string_equal(nested->by_name.values[0].word, "");
        assert_null(nested->maybe.items[0]);
        assert_string_equal(nested->maybe.items[1]->word, "");
        assert_int_equal(nested->hues.values[0], OrgExampleShapesHue_warm);
        assert_int_equal(nested->sets.items[0].count, 2);
        assert_string_equal(nested->sets.items[0].keys[1], "d");
        assert_null(nested->sets.items[0].values);
        assert_int_equal(nested->nothings.count, 2);
}

static void presence_is_seen(void **state) {
        _cleanup_decoded_ Decoded d;
        _cleanup_decoded_ Decoded many;

        (void)state;
        assert_int_equal(decode(&d, basic_type,
                                "{\"count\": 0, \"point\": {\"y\": 5}, \"list\": []}",
                                CODEC_STRICT),
                         0);
        const Basic *basic = d.value;
        assert_true(VL_HAS(basic, OrgExampleShapesBasic, count));
        assert_true(VL_HAS(basic, OrgExampleShapesBasic, list));
        assert_false(VL_HAS(basic, OrgExampleShapesBasic, flag));
        assert_true(VL_HAS(&basic->point, OrgExampleShapesBasic_point, y));
        assert_false(VL_HAS(&basic->point, OrgExampleShapesBasic_point, x));

        assert_int_equal(decode(&many, &org_example_many_type_Many,
                                "{\"f63\": [1], \"f64\": 7, \"f129\": \"x\"}", CODEC_STRICT),
                         0);
        const OrgExampleManyMany *m = many.value;
        assert_int_equal(m->f64, 7);
        assert_string_equal(m->f129, "x");
        assert_true(m->present[0] == UINT64_C(1) << 63);
        assert_true(m->present[1] == 1);
        assert_true(m->present[2] == 1 << 1);
}

static void nullable_values_are_pointers(void **state) {
        static const char all[] =
                "{\"flag\":true,\"count\":-7,\"share\":0.5,\"word\":\"\",\"thing\":[1],"
                "\"color\":\"blue\",\"point\":{\"x\":1,\"y\":2},\"list\":[],\"table\":{},"
                "\"names\":{},\"hue\":\"cold\"}";
        _cleanup_decoded_ Decoded d;
        _cleanup_decoded_ Decoded none;

        (void)state;
        assert_int_equal(decode(&d, nullable_type, all, CODEC_STRICT), 0);
        const Nullable *value = d.value;
        assert_true(*value->flag);
        assert_int_equal(*value->count, -7);
        assert_true(*value->share == 0.5);
        assert_string_equal(value->word, "");
        assert_int_equal(*value->color, OrgExampleShapesNullable_color_blue);
        assert_int_equal(value->point->y, 2);
        assert_non_null(value->list.items);
        assert_non_null(value->table.keys);
        assert_non_null(value->names.keys);
        assert_null(value->basic);
        _cleanup_free_ char *text = encode(nullable_type, value);
        assert_string_equal(text, all);

        assert_int_equal(decode(&none, nullable_type, "{\"flag\":null}", CODEC_STRICT), 0);
        _cleanup_free_ char *empty = encode(nullable_type, none.value);
        assert_string_equal(empty, "{}");
}

static void wrong_types_are_refused_by_path(void **state) {
        static const struct {
                const char *text, *path;
        } cases[] = {
                { "{\"nothing\": []}", "nothing" },
                { "{\"basics\": {}}", "basics" },
                { "{\"basics\": [{}, 5]}", "basics[1]" },
                { "{\"basics\": [{\"flag\": 1}]}", "basics[0].flag" },
                { "{\"basics\": [{\"flag\": \"true\"}]}", "basics[0].flag" },
                { "{\"basics\": [{\"count\": 5.0}]}", "basics[0].count" },
                { "{\"basics\": [{\"count\": \"5\"}]}", "basics[0].count" },
                { "{\"basics\": [{\"count\": true}]}", "basics[0].count" },
                { "{\"basics\": [{\"share\": \"5\"}]}", "basics[0].share" },
                { "{\"basics\": [{\"word\": 5}]}", "basics[0].word" },
                { "{\"basics\": [{\"word\": \"a\\u0000b\"}]}", "basics[0].word" },
                { "{\"basics\": [{\"color\": \"pink\"}]}", "basics[0].color" },
                { "{\"basics\": [{\"color\": \"\"}]}", "basics[0].color" },
                { "{\"basics\": [{\"color\": 1}]}", "basics[0].color" },
                { "{\"basics\": [{\"point\": {\"x\": []}}]}", "basics[0].point.x" },
                { "{\"basics\": [{\"list\": [\"\", \"\", 3]}]}", "basics[0].list[2]" },
                { "{\"basics\": [{\"table\": {\"a\": 1, \"A B\": \"\"}}]}",
                  "basics[0].table[\"A B\"]" },
                { "{\"basics\": [{\"names\": {\"x\": true}}]}", "basics[0].names[\"x\"]" },
                { "{\"by_name\": {\"q\\\"\\\\\": {\"flag\": {}}}}", "by_name[\"q\\\"\\\\\"].flag" },
                { "{\"matrix\": [[], [1, 2, \"\"]]}", "matrix[1][2]" },
                { "{\"deep\": [{}, {\"k\": [null, {\"a\": {\"b\": [\"warm\", 7]}}]}]}",
                  "deep[1][\"k\"][1].a.b[1]" },
                { "{\"maybe\": [null, 1]}", "maybe[1]" },
                { "[]", "parameters" },
                { "\"nothing\"", "parameters" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_decoded_ Decoded d;
                int r = decode_json(&d, nested_type,
                                    parse(cases[i].text, JSON_DECODE_ANY | JSON_ALLOW_NUL),
                                    CODEC_STRICT);
                if (r != -EINVAL)
                        fail_msg("%d: %s", r, cases[i].text);
                assert_string_equal(d.path, cases[i].path);
        }
        Decoded none = { .document = NULL };
        assert_int_equal(decode_json(&none, nested_type, NULL, CODEC_STRICT), -EINVAL);
        assert_string_equal(none.path, "parameters");
        arena_done(&none.arena);
}

static void a_key_with_a_nul_is_refused(void **state) {
        Decoded d;
        json_t *document = json_object(), *table = json_object();

        (void)state;
        json_object_setn_new_nocheck(table, "a\0b", 3, json_integer(1));
        json_object_set_new(document, "table", table);
        assert_int_equal(decode_json(&d, basic_type, document, CODEC_STRICT), -EINVAL);
        assert_string_equal(d.path, "table[\"a\"]");
        decoded_done(&d);
}

static void lenient_booleans_are_words(void **state) {
        static const char *const good[] = { "true", "\"true\"" };
        static const char *const bad[] = { "\"TRUE\"", "\"\"", "\"1\"", "1", "\"true\\u0000\"" };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                char text[64];
                _cleanup_decoded_ Decoded d;
                snprintf(text, sizeof(text), "{\"flag\": %s}", good[i]);
                assert_int_equal(decode(&d, basic_type, text, CODEC_LENIENT_BOOL), 0);
                assert_true(((const Basic *)d.value)->flag);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                char text[64];
                _cleanup_decoded_ Decoded d;
                snprintf(text, sizeof(text), "{\"flag\": %s}", bad[i]);
                assert_int_equal(decode(&d, basic_type, text, CODEC_LENIENT_BOOL), -EINVAL);
        }
        _cleanup_decoded_ Decoded d;
        assert_int_equal(decode(&d, basic_type, "{\"flag\": \"false\"}", CODEC_LENIENT_BOOL), 0);
        assert_false(((const Basic *)d.value)->flag);
        assert_true(VL_HAS((const Basic *)d.value, OrgExampleShapesBasic, flag));
}

/* The second parse of a message with an integer that is too large. */
static void reals_stand_for_integers_when_asked(void **state) {
        static const struct {
                const char *number;
                int64_t value;
                bool is_good;
        } cases[] = {
                { "5", 5, true },
                { "-5", -5, true },
                { "9007199254740991", INT64_C(9007199254740991), true },
                { "-9007199254740991", -INT64_C(9007199254740991), true },
                { "9007199254740992", 0, false },
                { "9007199254740993", 0, false },
                { "-9007199254740992", 0, false },
                { "9223372036854775808", 0, false },
                { "1e300", 0, false },
                { "5.5", 0, false },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char text[64];
                _cleanup_decoded_ Decoded d;
                snprintf(text, sizeof(text), "{\"count\": %s}", cases[i].number);
                int r = decode_json(&d, basic_type, parse(text, JSON_DECODE_INT_AS_REAL),
                                    CODEC_INTS_AS_REALS);
                assert_int_equal(r, cases[i].is_good ? 0 : -EINVAL);
                if (cases[i].is_good)
                        assert_true(((const Basic *)d.value)->count == cases[i].value);
                else
                        assert_string_equal(d.path, "count");
        }
        _cleanup_decoded_ Decoded d;
        assert_int_equal(decode(&d, basic_type, "{\"count\": 5.0}", CODEC_STRICT), -EINVAL);
}

/* {"a": {"a": ... 1}} or [[...]] */
static json_t *nest(json_t *inside, unsigned levels, bool is_array) {
        for (unsigned i = 0; i < levels; i++) {
                json_t *outside = is_array ? json_array() : json_object();
                if (is_array)
                        json_array_append_new(outside, inside);
                else
                        json_object_set_new(outside, "a", inside);
                inside = outside;
        }
        return inside;
}

static void depth_is_limited(void **state) {
        (void)state;
        /* The message itself is one level, and so `thing` may have one less than the maximum. */
        for (unsigned is_array = 0; is_array < 2; is_array++)
                for (unsigned levels = CODEC_DEPTH_MAX - 2; levels < CODEC_DEPTH_MAX + 2;
                     levels++) {
                        Decoded d;
                        json_t *document = json_object();
                        json_object_set_new(document, "thing",
                                            nest(json_integer(1), levels, is_array));
                        int r = decode_json(&d, basic_type, document, CODEC_STRICT);
                        assert_int_equal(r, levels < CODEC_DEPTH_MAX ? 0 : -EINVAL);
                        if (r < 0)
                                assert_string_equal(d.path, "thing");
                        decoded_done(&d);
                }
        for (unsigned levels = CODEC_DEPTH_MAX - 2; levels < 2000; levels += 97) {
                Decoded d;
                json_t *tree = json_object();
                for (unsigned i = 0; i < levels / 2; i++) {
                        json_t *parent = json_object(), *list = json_array();
                        json_array_append_new(list, tree);
                        json_object_set_new(parent, "children", list);
                        tree = parent;
                }
                int r = decode_json(&d, &org_example_circles_type_Tree, tree, CODEC_STRICT);
                assert_int_equal(r, levels < CODEC_DEPTH_MAX ? 0 : -EINVAL);
                if (r < 0) {
                        assert_non_null(text_starts_with(d.path, "children[0].children[0]."));
                        assert_int_equal(strlen(d.path), CODEC_PATH_MAX - 1);
                }
                decoded_done(&d);
        }
}

static void paths_are_cut_between_characters(void **state) {
        (void)state;
        for (unsigned length = 100; length < 140; length++) {
                _cleanup_free_ char *key = xnew(char, length * 2 + 2);
                Decoded d;
                json_t *document = json_object(), *table = json_object();
                for (unsigned i = 0; i < length; i++)
                        (void)mempcpy(key + 2 * i, "\xc3\xa9", 2);
                key[2 * length] = length % 2 ? 'x' : '\0';
                json_object_set_new(table, key, json_true());
                json_object_set_new(document, "table", table);
                assert_int_equal(decode_json(&d, basic_type, document, CODEC_STRICT), -EINVAL);
                size_t size = strlen(d.path);
                assert_true(size < CODEC_PATH_MAX && size >= 200);
                assert_true(text_is_utf8(d.path, size));
                decoded_done(&d);
        }
}

static void memory_is_limited(void **state) {
        json_t *document = json_object(), *list = json_array();
        char path[CODEC_PATH_MAX];
        Arena arena = { .limit = 1024 * 1024 };
        Nested nested = { .present = { 0 } };

        (void)state;
        for (unsigned i = 0; i < 20000; i++)
                json_array_append_new(list, json_object());
        json_object_set_new(document, "basics", list);
        assert_int_equal(codec_decode(nested_type, document, CODEC_STRICT, &arena, &nested, path),
                         -E2BIG);
        assert_string_equal(path, "basics");
        assert_true(arena.used < 1024 * 1024);
        arena_done(&arena);

        /* The same as a nullable struct, which is allocated one by one. */
        json_object_clear(document);
        list = json_array();
        for (unsigned i = 0; i < 20000; i++)
                json_array_append_new(list, json_object());
        json_object_set_new(document, "maybe", list);
        nested = (Nested){ .present = { 0 } };
        assert_int_equal(codec_decode(nested_type, document, CODEC_STRICT, &arena, &nested, path),
                         -E2BIG);
        assert_non_null(text_starts_with(path, "maybe["));
        assert_true(arena.used <= 1024 * 1024);
        arena_done(&arena);
        json_decref(document);
}

static void objects_keep_their_content(void **state) {
        static const char inside[] = "{\"b\":[1,2.5,-0.0,true,false,null,\"\\u00e9\\n\",{\"k\\\"\":"
                                     "9223372036854775807}],"
                                     "\"a\":{},\"z\":[]}";
        char text[512];
        _cleanup_decoded_ Decoded d;

        (void)state;
        snprintf(text, sizeof(text), "{\"thing\": %s, \"any_thing\": \"word\"}", inside);
        assert_int_equal(decode(&d, basic_type, text, CODEC_STRICT), 0);
        _cleanup_free_ char *back = encode(basic_type, d.value);
        assert_non_null(strstr(back, "\"thing\":{\"b\":[1,2.5,-0.0,true,false,null,\"\xc3\xa9\\n\","
                                     "{\"k\\\"\":9223372036854775807}],\"a\":{},\"z\":[]},"));
        assert_non_null(strstr(back, "\"any_thing\":\"word\""));
}

/* Text to struct to text: the same document, with what was missing filled in. */
static void everything_round_trips(void **state) {
        static const char nested[] =
                "{\"basics\":[{\"flag\":true,\"count\":1,\"share\":1.5,\"word\":\"w\",\"thing\":"
                "{\"x\":1},\"any_thing\":7,\"color\":\"green\",\"point\":{\"x\":-1,\"y\":1},"
                "\"list\":[\"a\",\"b\"],\"table\":{\"one\":1,\"two\":2},\"names\":{\"n\":{}}}],"
                "\"by_name\":{},\"maybe\":[null],\"counts\":[1,null],"
                "\"flags\":{\"t\":true,\"n\":null},\"matrix\":[[0.5],[]],"
                "\"deep\":[{\"k\":[{\"a\":{\"b\":[\"cold\",\"warm\"]}},null]},{}],"
                "\"sets\":[{\"s\":{}}],\"hues\":{\"h\":\"cold\"},\"nothing\":{},"
                "\"nothings\":[{},{}]}";
        static const char mytype[] =
                "{\"object\":{\"method\":\"org.varlink.certification.Test09\",\"parameters\":"
                "{\"map\":{\"foo\":\"Foo\",\"bar\":\"Bar\"}}},\"enum\":\"two\",\"struct\":"
                "{\"first\":1,\"second\":\"2\"},\"array\":[\"one\",\"two\",\"three\"],"
                "\"dictionary\":{\"foo\":\"Foo\",\"bar\":\"Bar\"},\"stringset\":{\"one\":{},"
                "\"two\":{},\"three\":{}},\"nullable_array_struct\":null,\"interface\":"
                "{\"foo\":[null,{\"foo\":\"foo\",\"bar\":\"bar\"},null,{\"one\":\"foo\","
                "\"two\":\"bar\"}],\"anon\":{\"foo\":true,\"bar\":false}}}";
        static const char words[] =
                "{\"bool\":true,\"int\":1,\"struct\":{\"enum\":\"static\"},\"present\":\"p\","
                "\"errno\":2,\"linux\":\"l\",\"unix\":\"u\",\"asm\":\"a\",\"typeof\":\"t\","
                "\"nullptr\":3,\"camelCase\":4,\"under_score\":5,\"x86_64\":true,"
                "\"interface\":\"i\",\"type\":\"t\",\"method\":\"m\",\"error\":\"e\"}";
        const struct {
                const VlType *type;
                const char *text;
        } cases[] = {
                { nested_type, nested },
                { &org_varlink_certification_type_MyType, mytype },
                { &org_example_2_c_words_type_Words, words },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_decoded_ Decoded d;
                assert_int_equal(decode(&d, cases[i].type, cases[i].text, CODEC_STRICT), 0);
                _cleanup_free_ char *text = encode(cases[i].type, d.value);
                json_t *back = parse(text, 0), *first = parse(cases[i].text, 0);
                if (i == 1)
                        json_object_del(first, "nullable_array_struct"); /* null is left out */
                assert_true(json_equal(back, first));
                json_decref(back);
                json_decref(first);
        }
}

/* What the program fills in is written whatever it is: nothing at all, a name that is no UTF-8. */
static void every_struct_encodes(void **state) {
        Nested nested = { .basics = { .items = NULL } };
        Basic basic = { .word = "a\n\xff" };
        _cleanup_free_ char *text = encode(nested_type, &nested);
        _cleanup_free_ char *word = encode(basic_type, &basic);
        json_t *back = parse(text, 0);

        (void)state;
        assert_true(json_is_object(json_object_get(back, "nothing")));
        assert_true(json_is_array(json_object_get(back, "basics")));
        json_decref(back);
        assert_non_null(strstr(word, "\"word\":\"a\\n\xef\xbf\xbd\","));
}

/* The contract's own types: the layout of generated arrays and maps is that of the codec. */
static void create_is_read_as_clients_send_it(void **state) {
        static const char request[] =
                "{\"create\": {\"image\": \"alpine\", \"command\": [\"sh\", \"-c\", \"true\"],"
                " \"env\": {\"A\": \"B\", \"C\": \"\"}, \"tty\": \"true\", \"stop_timeout\": 0,"
                " \"resources\": {\"cpus\": 1, \"memory\": 1048576}, \"unheard_of\": {}}}";
        const VlMethod *method = &io_podman_interface.methods[IO_PODMAN_METHOD_CreateContainer];
        _cleanup_decoded_ Decoded d;

        (void)state;
        assert_string_equal(method->name, "CreateContainer");
        assert_int_equal(decode(&d, method->in, request, CODEC_LENIENT_BOOL), 0);
        const IoPodmanCreate *create = &((const IoPodmanCreateContainerIn *)d.value)->create;
        assert_string_equal(create->image, "alpine");
        assert_int_equal(create->command.count, 3);
        assert_string_equal(create->command.items[2], "true");
        assert_int_equal(create->env.count, 2);
        assert_string_equal(create->env.keys[0], "A");
        assert_string_equal(create->env.values[0], "B");
        assert_true(create->tty);
        assert_true(VL_HAS(create, IoPodmanCreate, stop_timeout));
        assert_false(VL_HAS(create, IoPodmanCreate, stop_signal));
        assert_true(create->resources.cpus == 1.0);
        assert_int_equal(create->resources.memory, 1048576);
        assert_string_equal(create->work_dir, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_stay_exact),
                cmocka_unit_test(missing_and_null_mean_zero),
                cmocka_unit_test(null_is_zero_in_lists_too),
                cmocka_unit_test(presence_is_seen),
                cmocka_unit_test(nullable_values_are_pointers),
                cmocka_unit_test(wrong_types_are_refused_by_path),
                cmocka_unit_test(a_key_with_a_nul_is_refused),
                cmocka_unit_test(lenient_booleans_are_words),
                cmocka_unit_test(reals_stand_for_integers_when_asked),
                cmocka_unit_test(depth_is_limited),
                cmocka_unit_test(paths_are_cut_between_characters),
                cmocka_unit_test(memory_is_limited),
                cmocka_unit_test(objects_keep_their_content),
                cmocka_unit_test(everything_round_trips),
                cmocka_unit_test(every_struct_encodes),
                cmocka_unit_test(create_is_read_as_clients_send_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
