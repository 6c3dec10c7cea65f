/* SPDX-License-Identifier: MIT */
/*
 * What the server can no longer do once it is started.
 */
#pragma once

int confine_server(void);
