/* SPDX-License-Identifier: MIT */
/*
 * A section of coreferry.conf: settings for some containers only.  Pure.
 */
#pragma once

#include "config.h"

int config_rule_new(const char *header, struct config_rule **ret_rule,
		    char error[CONFIG_ERROR_SIZE]);
void config_rule_free(struct config_rule *rule);
const char *config_rule_kind_name(enum config_rule_kind kind);
