/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Everything about one container as a JSON document, for InspectContainer.
 *
 * Its members are the original's and those of podman 4.3.1's `container inspect` together, all of them
 * always: what does not exist is the zero value of its type, never null and never left out. Members that
 * differ in case only (`ID` and `Id`) are equal, since some readers take the one for the other.
 *
 * Where the two disagree, in type or in meaning, the original's clients come first:
 *
 * - State.Status has the original's words (configured, stopped), not podman's.
 * - Config.User is the OCI object {uid, gid, additionalGids}, not a text; its member `username` holds
 *   what podman shows. The numbers of a name are known from the first start on.
 * - NetworkSettings.Ports is a list, not a map.
 * - Mounts lists every mount of the container, /proc and /dev too, with the members of an OCI mount;
 *   podman's members stand beside them.
 * - LogPath, SizeRw, SizeRootFs and GraphDriver.Data.MergedDir are always there; the last is "" while
 *   nothing is mounted.
 * - HostConfig.Runtime names the program ("runc"), not the kind ("oci").
 *
 * Where the original never said anything but null, the type is podman's: HostConfig.ConsoleSize, Tmpfs,
 * Ulimits, LogConfig, PortBindings, the lists of DNS and capabilities, limits that are unset (0).
 *
 * What both get wrong, and is put right here: Args of a one-word command does not repeat Path; Pid is 0
 * once the process is gone, since it may be somebody else's by then; ShmSize is the size of /dev/shm.
 * ImageName is the image's full name, as on podman's command line; Config.Image is what the client said.
 * The annotations that podman makes up for itself do not exist.
 */

#include "engine/container.h"

/** inspect_container() - the document's compact text; heap. Cost: a walk of the read-write layer if alive */
char *inspect_container(Container *container);
