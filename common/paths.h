/* SPDX-License-Identifier: MIT */
/*
 * Where things are on a host and in a container.
 */
#pragma once

#include "build-info.h" /* made by the Makefile: COREFERRY_LIBEXEC_DIR, COREFERRY_VERSION */

#define PATH_HELPER COREFERRY_LIBEXEC_DIR "/coreferry-helper"
#define PATH_AGENT  COREFERRY_LIBEXEC_DIR "/coreferry-agent"
#define PATH_CONFIG "/etc/coreferry/coreferry.conf"
#define PATH_STORE  "/var/lib/coreferry"
/* In the container: */
#define PATH_AGENT_CONF "/etc/coreferry/agent.conf"
