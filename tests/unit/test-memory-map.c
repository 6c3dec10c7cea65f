// SPDX-License-Identifier: MIT
/* host-helper/helper/memory-map.c: a core as the kernel writes it, and nothing else. */
#include "../../host-helper/helper/memory-map.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "test.h"

#define COUNT 3

struct head {
	Elf64_Ehdr e;
	Elf64_Phdr p[COUNT + 1];
};

static void make(struct head *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->e.e_ident, ELFMAG, SELFMAG);
	h->e.e_ident[EI_CLASS] = ELFCLASS64;
	h->e.e_type = ET_CORE;
	h->e.e_phoff = sizeof(h->e);
	h->e.e_phentsize = sizeof(Elf64_Phdr);
	h->e.e_phnum = COUNT + 1;
	h->p[0].p_type = PT_NOTE;
	for (size_t i = 1; i <= COUNT; i++)
		h->p[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
					.p_offset = 4096 * (2 * i - 1),
					.p_vaddr = 0x10000 * i,
					.p_filesz = 8192,
					.p_memsz = 8192 };
}

static const char maps[] = "00010000-00012000 rw-p 00000000 00:00 0 \n"
			   "00020000-00022000 rw-p 00000000 fe:00 77 /a file\n"
			   "00030000-00032000 r--p 00000000 00:00 0                  [vvar]\n";

static void test_good(void **state)
{
	struct memory_map map;
	struct head h;
	uint64_t size = 0;

	(void)state;
	make(&h);
	assert_int_equal(memory_map_header_size(&h, 64, &size), 0);
	assert_int_equal(size, sizeof(h));
	assert_int_equal(memory_map_parse(&h, sizeof(h), maps, &map), 0);
	assert_int_equal(map.count, COUNT);
	assert_int_equal(map.data_offset, 4096);
	assert_int_equal(map.core_size, 4096 + COUNT * 8192);
	assert_true(map.segments[0].anonymous);
	assert_false(map.segments[1].anonymous); /* a file's */
	assert_false(map.segments[2].anonymous); /* the kernel's */
	memory_map_release(&map);

	/* What maps does not tell of is read whole. */
	assert_int_equal(memory_map_parse(&h, sizeof(h), "junk\n\n00010000-", &map), 0);
	assert_false(map.segments[0].anonymous);
	memory_map_release(&map);
}

static void test_refused(void **state)
{
	struct memory_map map;
	struct head h;

	(void)state;
	for (int row = 0; row < 12; row++) {
		make(&h);
		switch (row) {
		case 0:
			h.e.e_ident[0] = 0;
			break;
		case 1:
			h.e.e_ident[EI_CLASS] = ELFCLASS32;
			break;
		case 2:
			h.e.e_type = ET_DYN;
			break;
		case 3:
			h.e.e_phnum = PN_XNUM;
			break;
		case 4:
			h.e.e_phoff = 0;
			break;
		case 5:
			h.p[2].p_offset += 4096;
			break; /* a gap */
		case 6:
			h.p[2].p_vaddr = h.p[1].p_vaddr;
			break;
		case 7:
			h.p[3].p_filesz = 100;
			break;
		case 8:
			h.p[3].p_filesz = 1ULL << 63;
			h.p[3].p_memsz = 1ULL << 63;
			break;
		case 9:
			h.p[1].p_vaddr = 1;
			break;
		case 10:
			h.p[1].p_filesz = h.p[2].p_filesz = h.p[3].p_filesz = 0;
			break;
		default:
			h.p[1].p_offset = 0;
			h.p[2].p_offset = 8192;
			h.p[3].p_offset = 16384;
			break;
		}
		assert_int_equal(memory_map_parse(&h, sizeof(h), maps, &map), -EINVAL);
	}
	make(&h);
	assert_int_equal(memory_map_parse(&h, sizeof(h) - 1, maps, &map), -EINVAL);
	assert_int_equal(memory_map_parse(&h, 10, maps, &map), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
