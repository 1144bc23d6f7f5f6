/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one call that a helper answers: its progress, its cancelling, its error. */

#include <pthread.h>

#include "helper/watch.h"
#include "varlink/server.h"

typedef struct Job Job;

/* Sends one reply that continues, with the progress in it. */
typedef int (*JobSend)(VarlinkCall *call, const char *phase, const char *subject, int64_t done,
                       int64_t total);

struct Job {
        VarlinkCall *call; /* borrowed: the handler's */
        Watch watch;
        JobSend send;
        pthread_mutex_t lock; /* guards what follows */
        int64_t told_ns;      /* when bytes were last reported */
};

/** job_init() - @send: NULL where there is no progress to tell */
void job_init(Job *job, VarlinkCall *call, JobSend send);
void job_done(Job *job);

/** job_fail() - answer the call with what went wrong */
void job_fail(Job *job, const Error *err);
