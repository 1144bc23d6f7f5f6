/* SPDX-License-Identifier: Apache-2.0 */

/* image/changes: both styles, every instruction, and what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buffer.h"
#include "image/changes.h"

static void apply_ok(ImageSettings *settings, const char *change) {
        Error err = ERROR_INIT;

        if (image_settings_apply(settings, &change, 1, &err) < 0)
                fail_msg("%s", err.text);
}

static void expect_list(const Strings *list, const char *expected) {
        _cleanup_buffer_ Buffer joined = BUFFER_INIT;

        for (size_t i = 0; i < list->count; i++)
                buffer_printf(&joined, "%s%s", i > 0 ? "|" : "", list->items[i]);
        buffer_append_byte(&joined, '\0');
        assert_string_equal(joined.data, expected);
}

static void changes_in_both_styles(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        ImageSettings *s = &config.settings;
        static const struct {
                const char *change, *expected;
        } commands[] = {
                { "CMD=/bin/sh", "/bin/sh" },
                { "cmd ls -l  /", "ls|-l|/" },
                { "CMD=[\"a\", \"b c\"]", "a|b c" },
                { "CMD [\"\\u00e4\",\"\"]", "\xc3\xa4|" },
                { "CMD=sh -c 'echo \"a  b\"' \"c d\\\"\" e\\ f \"\"",
                  "sh|-c|echo \"a  b\"|c d\"|e f|" },
                { "CMD=[ -f /x ]", "[|-f|/x|]" },
                { "CMD=[]", "" },
                { "CMD=a=b", "a=b" },
        };

        (void)state;
        image_config_init(&config);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
                apply_ok(s, commands[i].change);
                expect_list(&s->cmd, commands[i].expected);
        }
        apply_ok(s, "ENTRYPOINT=a b");
        expect_list(&s->entrypoint, "a|b");
        apply_ok(s, "ENV=A=B=C");
        apply_ok(s, "ENV B two words");
        apply_ok(s, "ENV C=\"quoted text\"");
        apply_ok(s, "ENV A=other");
        apply_ok(s, "ENV=D=");
        expect_list(&s->env, "A=other|B=two words|C=quoted text|D=");
        apply_ok(s, "LABEL=x=y");
        apply_ok(s, "LABEL maintainer 'me too'");
        assert_string_equal(pairs_get(&s->labels, "x"), "y");
        assert_string_equal(pairs_get(&s->labels, "maintainer"), "me too");
        apply_ok(s, "EXPOSE=80");
        apply_ok(s, "EXPOSE 53/udp 8000-8002/TCP 80/tcp");
        expect_list(&s->exposed_ports, "53/udp|80/tcp|8000/tcp|8001/tcp|8002/tcp");
        apply_ok(s, "VOLUME=/v");
        apply_ok(s, "VOLUME [\"/a b\", \"/v\"]");
        expect_list(&s->volumes, "/a b|/v");
        apply_ok(s, "WORKDIR=/root");
        apply_ok(s, "WORKDIR sub");
        assert_string_equal(s->working_dir, "/root/sub");
        apply_ok(s, "USER=1000:1000");
        assert_string_equal(s->user, "1000:1000");
        apply_ok(s, "STOPSIGNAL=SIGRTMIN+3");
        assert_string_equal(s->stop_signal, "SIGRTMIN+3");
        apply_ok(s, "ONBUILD=RUN x");
        apply_ok(s, "ONBUILD RUN y");
        expect_list(&s->on_build, "RUN x|RUN y");
}

static void wrong_changes_are_refused_whole(void **state) {
        static const struct {
                const char *change, *words;
        } rows[] = {
                { "FOO", "no value given for instruction \"FOO\"" },
                { "CMD", "no value given for instruction \"CMD\"" },
                { "CMD=", "no value given for instruction \"CMD\"" },
                { "", "no value given for instruction \"\"" },
                { "FOO=1", "FOO=1" },
                { "FROM scratch", "FROM scratch" },
                { "=x", "=x" },
                { "CMD=[\"a\"", "JSON" },
                { "CMD=[\"a\",1]", "strings" },
                { "CMD=[\"a\"] x", "JSON" },
                { "CMD='open", "quote" },
                { "ENV==x", "name" },
                { "LABEL==x", "name" },
                { "EXPOSE=0", "ports" },
                { "EXPOSE=65536", "ports" },
                { "EXPOSE=999999", "ports" },
                { "EXPOSE=80/icmp", "ports" },
                { "EXPOSE=90-80", "ports" },
                { "EXPOSE=80-", "ports" },
                { "EXPOSE=http", "ports" },
                { "EXPOSE=80/", "ports" },
                { "VOLUME=v", "absolute" },
                { "STOPSIGNAL=NOPE", "signal" },
                { "STOPSIGNAL=0", "signal" },
                { "USER=\xff", "UTF-8" },
        };

        (void)state;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
                const char *changes[] = { "USER=before", rows[i].change };
                Error err = ERROR_INIT;
                image_config_init(&config);
                if (image_settings_apply(&config.settings, changes, 2, &err) == 0)
                        fail_msg("%s was accepted", rows[i].change);
                assert_int_equal(err.kind, ERR_INVALID);
                if (!strstr(err.text, rows[i].words))
                        fail_msg("%s", err.text);
                assert_string_equal(config.settings.user, "");
        }
}

static void changes_have_limits(void **state) {
        _cleanup_image_config_ ImageConfig config = IMAGE_CONFIG_INIT;
        const char *many[IMAGE_CHANGES_MAX + 1];
        Error err = ERROR_INIT;

        (void)state;
        image_config_init(&config);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = "USER=x";
        assert_int_equal(image_settings_apply(&config.settings, many, IMAGE_CHANGES_MAX, &err), 0);
        assert_int_equal(image_settings_apply(&config.settings, many, IMAGE_CHANGES_MAX + 1, &err),
                         -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        apply_ok(&config.settings, "EXPOSE=1-1000");
        const char *ports = "EXPOSE=1-1000 1001";
        assert_int_equal(image_settings_apply(&config.settings, &ports, 1, &err), -1);
        assert_int_equal(err.kind, ERR_LIMIT);
        for (size_t over = 0; over < 2; over++) {
                _cleanup_buffer_ Buffer text = BUFFER_INIT;
                buffer_append_string(&text, "VOLUME");
                for (size_t i = 0; i < IMAGE_CHANGE_ITEMS_MAX + over; i++)
                        buffer_printf(&text, " /%zu", i);
                _cleanup_free_ char *change = buffer_take_string(&text);
                const char *volumes = change;
                assert_int_equal(image_settings_apply(&config.settings, &volumes, 1, &err),
                                 over ? -1 : 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(changes_in_both_styles),
                cmocka_unit_test(wrong_changes_are_refused_whole),
                cmocka_unit_test(changes_have_limits),
        };
        return cmocka_run_group_tests_name("image changes", tests, NULL, NULL);
}
