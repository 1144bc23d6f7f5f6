/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define LINE_MAX_BYTES 2048

static const char *const level_names[_LOG_LEVEL_MAX] = { "error", "warning", "info", "debug" };
/* syslog priorities, understood by journald as a "<N>" prefix */
static const char level_priorities[_LOG_LEVEL_MAX] = { '3', '4', '6', '7' };

static _Atomic int max_level = LOG_LEVEL_INFO;

int log_level_parse(const char *word, LogLevel *ret) {
        if (strcmp(word, "warn") == 0)
                word = "warning";
        for (int i = 0; i < _LOG_LEVEL_MAX; i++)
                if (strcmp(word, level_names[i]) == 0) {
                        *ret = (LogLevel)i;
                        return 0;
                }
        return -EINVAL;
}

void log_set_level(LogLevel level) {
        atomic_store(&max_level, (int)level);
}

bool log_is_enabled(LogLevel level) {
        return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* systemd names the journal's stream as "<device>:<inode>" of stderr (systemd.exec(5)). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_write(LogLevel level, const char *fmt, ...) {
        static _Atomic int journal = -1;
        char line[LINE_MAX_BYTES];
        int saved_errno = errno;
        va_list args;

        if (!log_is_enabled(level))
                return;
        if (atomic_load(&journal) < 0)
                atomic_store(&journal, stderr_is_journal());

        int start = atomic_load(&journal)
                            ? snprintf(line, sizeof(line), "<%c>", level_priorities[level])
                            : snprintf(line, sizeof(line), "selkied: %s: ", level_names[level]);
        va_start(args, fmt);
        int n = vsnprintf(line + start, sizeof(line) - (size_t)start - 1, fmt, args);
        va_end(args);
        if (n < 0)
                return;
        size_t size = strlen(line);
        text_make_line(line + start, size - (size_t)start);
        line[size++] = '\n';
        (void)!write(STDERR_FILENO, line, size); /* if this fails there is nowhere left to say it */
        errno = saved_errno;
}
