/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Everything about one container as a JSON document, for InspectContainer.
 *
 * Its members are the original's and those of podman 4.3.1's `container inspect` together, all of
 * them always: what does not exist is the zero value of its type, never null and never left out.
 * Members that differ in case only (`ID` and `Id`) are equal, since some readers take the one for
 * the other.
 *
 * Where the two disagree, in type or in meaning, the original's clients come first:
 *
 * - State.Status has the original's words (configured, stopped), not podman's.
 * - Config.User is the OCI object {uid, gid, additionalGids}, not a text; its member `username`
 *   holds podman's text. The numbers behind a name are known from the first start on.
 * - NetworkSettings.Ports is a list, not a map.
 * - Mounts lists every mount of the container, /proc and /dev too, with the members of an OCI
 *   mount; podman's members stand beside them.
 * - LogPath, SizeRw, SizeRootFs and GraphDriver.Data.MergedDir are always there; the last is ""
 *   while nothing is mounted, since nothing is to be found there.
 * - HostConfig.Runtime names the program (runc), not the kind (oci).
 *
 * Where the original never said anything but null, the type is podman's: HostConfig.ConsoleSize,
 * Tmpfs, Ulimits, LogConfig, PortBindings, the lists of DNS and capabilities, unset limits (0).
 *
 * Plainly wrong there and put right here: Args of a one-word command repeated Path (both); Pid went
 * on to name a process that was gone (the original); ShmSize was not the size of /dev/shm (both).
 *
 * Config.Image is what the client said, ImageName the image's full name, as podman's command line
 * and the original's have it. Config.Cmd is the command without the entrypoint; Path and Args are
 * both together.
 *
 * The annotations that podman makes up for itself do not exist here, and so have no place.
 */

#include "engine/container.h"

/**
 * inspect_container() - the document as compact text; heap
 *
 * Cost: some 30 system calls, and while it lives a walk of its read-write layer.
 */
char *inspect_container(Container *container);
