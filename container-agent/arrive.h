/* SPDX-License-Identifier: MIT */
/*
 * How the agent gets from the host into the container: started by coreferry-helper on the host, it
 * brings along what it needs, and then enters and drops its rights.
 */
#pragma once

int arrive(int plan_fd);
