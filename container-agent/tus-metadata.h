/* SPDX-License-Identifier: MIT */
/*
 * What a tus upload is: Upload-Metadata.
 */
#pragma once

#include "source.h"

int tus_metadata_make(const char *id, const struct source *source, char **ret_text);
