// SPDX-License-Identifier: MIT
/*
 * Feeds files, and the files of directories, to a fuzz target: without libFuzzer, so that every
 * build can replay the corpora.
 *
 * The files are ours, but each is there because it may break something: each has a process of its
 * own, with a deadline, and the others are replayed whatever becomes of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fuzz.h"

#define INPUT_MAX  (1U << 20)
#define DEADLINE_S 10

static unsigned replayed, failed;

const char *__asan_default_options(void);

/* No parser needs a block of more than 32 MiB: what asks for more was told to by its input. */
const char *__asan_default_options(void)
{
	return "max_allocation_size_mb=32";
}

/* In the child: a leak is found by the sanitizer at its exit. */
static void run(const char *path)
{
	cleanup_free char *text = NULL;
	cleanup_free uint8_t *input = NULL;
	size_t len;

	alarm(DEADLINE_S);
	int r = file_read_at(AT_FDCWD, path, INPUT_MAX, &text, &len);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		exit(1);
	}
	/* A block of just that size: what is read behind it is seen. */
	input = malloc(len);
	if (len > 0)
		memcpy(input, text, len);
	LLVMFuzzerTestOneInput(input, len);
}

static void replay(const char *path)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		run(path);
		exit(0);
	}
	replayed++;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	failed++;
	fprintf(stderr, "FAILED: %s (wait status 0x%x)\n", path, status);
}

static void replay_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);

	if (count < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		failed++;
	}
	for (int i = 0; i < count; i++) {
		cleanup_free struct dirent *entry = entries[i];
		cleanup_free char *file = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0)
			abort();
		replay(file);
	}
	if (count >= 0)
		free(entries);
}

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			replay_directory(argv[i]);
		else
			replay(argv[i]);
	}
	printf("replayed %u inputs\n", replayed);
	/* A corpus that is not there must not look like one that is good. */
	return failed > 0 || replayed == 0;
}
