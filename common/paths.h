/* SPDX-License-Identifier: MIT */
/*
 * Where things are on a host and in a container.
 */
#pragma once

#include "build-info.h" /* made by the Makefile: COREFERRY_LIBEXEC_DIR, COREFERRY_VERSION */

#define PATH_HELPER COREFERRY_LIBEXEC_DIR "/coreferry-helper"
#define PATH_AGENT  COREFERRY_LIBEXEC_DIR "/coreferry-agent"
#define PATH_NAMES  COREFERRY_LIBEXEC_DIR "/coreferry-names"
#define PATH_CONFIG "/etc/coreferry/coreferry.conf"
#define PATH_STORE  "/var/lib/coreferry"
/* Of the engines that tell what a container is called: */
#define PATH_DOCKER_SOCKET "/run/docker.sock"
#define PATH_PODMAN_SOCKET "/run/podman/podman.sock"
/* In the container: */
#define PATH_AGENT_CONF "/etc/coreferry/agent.conf"
