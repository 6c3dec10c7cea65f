// SPDX-License-Identifier: MIT
/* common/elf-core.c: the size that the headers promise; lies in them do no harm. */
#include "elf-core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "test.h"

struct file {
	unsigned char bytes[4096];
	size_t len;
};

static ssize_t read_file(void *context, void *buf, size_t len, uint64_t offset)
{
	const struct file *f = context;

	if (offset >= f->len)
		return 0;
	if (len > f->len - offset)
		len = f->len - (size_t)offset;
	memcpy(buf, f->bytes + offset, len);
	return (ssize_t)len;
}

static void make64(struct file *f, uint16_t phnum)
{
	Elf64_Ehdr e = { .e_type = ET_CORE,
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = phnum };

	*f = (struct file){ .len = sizeof(f->bytes) };
	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	memcpy(f->bytes, &e, sizeof(e));
	for (size_t i = 0; i < phnum && i < 10; i++) {
		Elf64_Phdr p = { .p_offset = 4096 * i, .p_filesz = i == 1 ? 1000000 : 10 };

		memcpy(f->bytes + sizeof(e) + i * sizeof(p), &p, sizeof(p));
	}
}

static void set_phdr(struct file *f, size_t i, uint64_t offset, uint64_t size)
{
	Elf64_Phdr p = { .p_offset = offset, .p_filesz = size };

	memcpy(f->bytes + sizeof(Elf64_Ehdr) + i * sizeof(p), &p, sizeof(p));
}

static void test_good(void **state)
{
	struct file f;
	uint64_t size = 0;

	(void)state;
	make64(&f, 3);
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), 0);
	assert_int_equal(size, 1004096);
	make64(&f, 0);
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), 0);
	assert_int_equal(size, 0);

	Elf32_Ehdr e = { .e_type = ET_CORE,
			 .e_phoff = sizeof(Elf32_Ehdr),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = 1 };
	Elf32_Phdr p = { .p_offset = 100, .p_filesz = 23 };
	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS32;
	memcpy(f.bytes, &e, sizeof(e));
	memcpy(f.bytes + sizeof(e), &p, sizeof(p));
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), 0);
	assert_int_equal(size, 123);
}

/* 65,535 program headers and more: the number stands in the section header. */
static void test_extended(void **state)
{
	struct file f;
	uint64_t size = 0;
	Elf64_Shdr s = { .sh_info = 2 };
	Elf64_Ehdr e;

	(void)state;
	make64(&f, 2);
	memcpy(&e, f.bytes, sizeof(e));
	e.e_phnum = PN_XNUM;
	e.e_shoff = 3000;
	e.e_shentsize = sizeof(s);
	memcpy(f.bytes, &e, sizeof(e));
	memcpy(f.bytes + 3000, &s, sizeof(s));
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), 0);
	assert_int_equal(size, 1004096);
	e.e_shoff = UINT64_MAX;
	memcpy(f.bytes, &e, sizeof(e));
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -EINVAL);
	e.e_shoff = 4090;
	memcpy(f.bytes, &e, sizeof(e));
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -ENODATA);
}

static void test_bad(void **state)
{
	struct file f;
	uint64_t size = 4711;

	(void)state;
	make64(&f, 3);
	f.bytes[0] = 'x';
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -EINVAL);
	make64(&f, 3);
	f.bytes[EI_CLASS] = 9;
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -EINVAL);
	make64(&f, 3);
	f.bytes[16] = ET_EXEC;
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -EINVAL);
	make64(&f, 3);
	set_phdr(&f, 1, UINT64_MAX - 5, 10);
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -EINVAL);
	make64(&f, 1000);
	assert_int_equal(elf_core_expected_size(read_file, &f, &size), -ENODATA);
	for (size_t len = 0; len < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr); len++) {
		make64(&f, 1);
		f.len = len;
		assert_true(elf_core_expected_size(read_file, &f, &size) < 0);
	}
	assert_int_equal(size, 4711);
}

/* A note segment with two notes before the siginfo, as the kernel writes them. */
static void make_notes(struct file *f, int32_t signal, int32_t code, uint64_t address)
{
	Elf64_Nhdr first = { .n_namesz = 5, .n_descsz = 6, .n_type = 1 };
	Elf64_Nhdr siginfo = { .n_namesz = 5, .n_descsz = 128, .n_type = 0x53494749 };
	Elf64_Phdr note = { .p_type = PT_NOTE, .p_offset = 1024, .p_filesz = 256 };
	int32_t words[4] = { signal, 0, code, 0 };
	unsigned char *at = f->bytes + 1024;

	make64(f, 2);
	memcpy(f->bytes + sizeof(Elf64_Ehdr), &note, sizeof(note));
	memcpy(at, &first, sizeof(first));
	at += sizeof(first) + 8 + 8;
	memcpy(at, &siginfo, sizeof(siginfo));
	at += sizeof(siginfo) + 8;
	memcpy(at, words, sizeof(words));
	memcpy(at + sizeof(words), &address, sizeof(address));
}

static void test_fault(void **state)
{
	struct file f;
	uint64_t address = 42;

	(void)state;
	make_notes(&f, 11, 1, 0x7fff12345678);
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), 0);
	assert_int_equal(address, 0x7fff12345678);

	address = 42;
	make_notes(&f, 11, 0, 0x1234); /* kill(2): the bytes are a pid */
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), -ENOENT);
	make_notes(&f, 6, 1, 0x1234);
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), -ENOENT);
	make_notes(&f, 11, 1, 0x1234);
	f.len = 1024 + 40;
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), -ENODATA);
	make64(&f, 3); /* no notes */
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), -ENOENT);
	make_notes(&f, 11, 1, 0x1234);
	memset(f.bytes + 1024, 0xff, 12); /* sizes beyond everything */
	assert_int_equal(elf_core_fault_address(read_file, &f, &address), -ENOENT);
	assert_int_equal(address, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_extended),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
