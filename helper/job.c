/* SPDX-License-Identifier: Apache-2.0 */
#include "helper/job.h"

#include <time.h>

#include "base/text.h"
#include "idl/selkie.transfer.h"

#define REPORT_PAUSE_NS INT64_C(100000000) /* between two reports of bytes */

static bool is_cancelled(void *userdata) {
        const Job *job = userdata;

        return varlink_call_is_cancelled(job->call);
}

/* Bytes come by the thousand: some are told. What happens once is always told. */
static bool is_worth_telling(Job *job, const char *phase, int64_t done, int64_t total) {
        struct timespec t;

        if (!text_equal(phase, "layer") || done == total)
                return true;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t now = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
        pthread_mutex_lock(&job->lock);
        bool tells = now - job->told_ns >= REPORT_PAUSE_NS;
        if (tells)
                job->told_ns = now;
        pthread_mutex_unlock(&job->lock);
        return tells;
}

static void report(void *userdata, const char *phase, const char *subject, int64_t done,
                   int64_t total) {
        Job *job = userdata;

        if (job->send && varlink_call_wants_more(job->call) &&
            is_worth_telling(job, phase, done, total))
                (void)job->send(job->call, phase, subject, done, total);
}

void job_init(Job *job, VarlinkCall *call, JobSend send) {
        *job = (Job){ .call = call,
                      .send = send,
                      .watch = { .is_cancelled = is_cancelled, .report = report } };
        job->watch.userdata = job;
        pthread_mutex_init(&job->lock, NULL);
}

void job_done(Job *job) {
        pthread_mutex_destroy(&job->lock);
}

void job_fail(Job *job, const Error *err) {
        (void)selkie_transfer_error_Failed(
                job->call, &(SelkieTransferFailed){ .kind = error_kind_name(err->kind),
                                                    .errnum = err->errnum,
                                                    .subject = err->subject,
                                                    .text = err->text });
}
