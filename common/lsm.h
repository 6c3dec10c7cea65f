/* SPDX-License-Identifier: MIT */
/*
 * The label that AppArmor or SELinux has for a process: reading the victim's, and taking it on.
 *
 * A label's name may be the container's (a policy of its own): it goes back to the kernel as it
 * came, and nowhere else.
 */
#pragma once

#include <stddef.h>

#include "enter.h"

enum lsm { LSM_NONE, LSM_APPARMOR, LSM_SELINUX };

enum lsm lsm_find(const char *sysfs);
int lsm_parse_label(enum lsm lsm, const char *text, size_t len, char ret_label[ENTER_LABEL_SIZE]);
int lsm_read_label(enum lsm lsm, int procfd, char ret_label[ENTER_LABEL_SIZE]);
int lsm_open_own(enum lsm lsm);
int lsm_change(int label_fd, enum lsm lsm, const char *label);
