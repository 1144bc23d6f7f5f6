/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sockets that another process opened for us: LISTEN_FDS and LISTEN_FDNAMES, as systemd and the
 * varlink tools set them.
 */

/**
 * varlink_activation_take() - the socket to serve on
 *
 * The one named `varlink`; else the only one, or where nothing has a name, the first. Its siblings
 * are left alone. The variables are removed from the environment, so that children do not take the
 * sockets for theirs.
 *
 * Returns the descriptor (CLOEXEC, maybe not listening but connected), -ENOENT when this process
 * was not started so, -EINVAL when it was but no socket is for varlink, -errno.
 * Source: sd_listen_fds(3); https://varlink.org/Service "Activation".
 */
int varlink_activation_take(void);
