/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/space.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "storage/layers.h"

/* Asked after this part of the reserve: so many writers may run side by side. */
#define PERIODS 8

int space_init(Space *space, int fd, Error *err) {
        struct statvfs fs;

        if (fstatvfs(fd, &fs) < 0)
                return error_errno(err, ERR_IO, errno, "disk", "cannot ask for the free space");
        uint64_t part = (uint64_t)fs.f_blocks * fs.f_frsize / STORE_RESERVE_PART;
        space->fd = fd;
        space->reserve = part < STORE_RESERVE_MAX ? (int64_t)part : STORE_RESERVE_MAX;
        space->period = space->reserve / PERIODS;
        space->unasked = space->period;
        return 0;
}

int space_take(Space *space, int64_t size, const char *subject, Error *err) {
        struct statvfs fs;

        space->unasked += size;
        if (space->unasked < space->period)
                return 0;
        space->unasked = 0;
        if (fstatvfs(space->fd, &fs) < 0)
                return error_errno(err, ERR_IO, errno, subject, "cannot ask for the free space");
        uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
        if (available < (uint64_t)space->reserve + (uint64_t)size)
                return error_errno(err, ERR_NO_SPACE, ENOSPC, subject, "no room for %s", subject);
        return 0;
}
