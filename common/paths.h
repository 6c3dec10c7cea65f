/* SPDX-License-Identifier: MIT */
/*
 * Where things are on a host and in a container.  The build may set PREFIX-dependent ones.
 */
#pragma once

#ifndef COREFERRY_LIBEXEC_DIR
#define COREFERRY_LIBEXEC_DIR "/usr/local/lib/coreferry"
#endif

#define PATH_HELPER	COREFERRY_LIBEXEC_DIR "/coreferry-helper"
#define PATH_AGENT	COREFERRY_LIBEXEC_DIR "/coreferry-agent"
#define PATH_CONFIG	"/etc/coreferry/coreferry.conf"
#define PATH_STORE	"/var/lib/coreferry"
/* In the container: */
#define PATH_AGENT_CONF "/etc/coreferry/agent.conf"
