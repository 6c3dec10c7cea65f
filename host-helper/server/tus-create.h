/* SPDX-License-Identifier: MIT */
/*
 * What a tus client says of an upload before it sends it: Upload-Length, Upload-Metadata,
 * X-Core-...
 */
#pragma once

#include <microhttpd.h>

#include "answer.h"
#include "tus-upload.h"

int tus_describe(struct MHD_Connection *mhd, struct tus_upload *upload, struct answer *refusal);
