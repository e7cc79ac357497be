// SPDX-License-Identifier: MIT
// Parses ELF files as described by the generic ABI, chapters "Object Files" and "Program Loading", and the GNU hash
// section as the GNU linker writes it.
#include "cli/doctor/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "cli/doctor/mapping.h"

// Longest name that is read, so that an unterminated table costs little. Largest segment table that the kernel reads.
enum { TEXT_MAX = 4096, SEGMENTS_SIZE_MAX = 65536 };

// Offsets of fields for the two classes. `word` is the size of an address.
struct layout {
    unsigned header, word;
    struct {
        unsigned phoff, shoff, phentsize, phnum, shentsize, shnum, shstrndx;
    } file;
    struct {
        unsigned size, offset, address, length;
    } segment;
    struct {
        unsigned size, offset, length, link;
    } section;
    struct {
        unsigned size, info, index;
    } symbol;
};

static const struct layout layouts[2] = {
    {sizeof(Elf32_Ehdr), 4, {28, 32, 42, 44, 46, 48, 50}, {32, 4, 8, 16}, {40, 16, 20, 24}, {16, 12, 14}},
    {sizeof(Elf64_Ehdr), 8, {32, 40, 54, 56, 58, 60, 62}, {56, 8, 16, 32}, {64, 24, 32, 40}, {24, 4, 6}},
};

static const struct layout *layout_of(const struct rb_elf_file *file)
{
    return &layouts[file->wide];
}

static bool elf_file_holds(const struct rb_elf_file *file, uint64_t offset, uint64_t length)
{
    return offset <= file->size && length <= file->size - offset;
}

// Reads a number of `width` bytes. 0 if it is outside the file.
static uint64_t elf_file_number(const struct rb_elf_file *file, uint64_t offset, unsigned width)
{
    uint64_t value = 0;
    if (!elf_file_holds(file, offset, width))
        return 0;
    for (unsigned i = 0; i < width; i++)
        value = value << 8 | file->data[offset + (file->big ? i : width - 1 - i)];
    return value;
}

static uint64_t address(const struct rb_elf_file *file, uint64_t offset)
{
    return elf_file_number(file, offset, layout_of(file)->word);
}

// Returns the string at `offset`, or NULL if it is not terminated within `length` bytes in the file.
static const char *elf_file_text(const struct rb_elf_file *file, uint64_t offset, uint64_t length)
{
    if (offset >= file->size)
        return NULL;
    if (length > file->size - offset)
        length = file->size - offset;
    length = length < TEXT_MAX ? length : TEXT_MAX;
    const char *at = (const char *) file->data + offset;
    return memchr(at, '\0', length) ? at : NULL;
}

static const char *text_in(const struct rb_elf_file *file, uint64_t strings, uint64_t size, uint64_t index)
{
    return index < size && strings < file->size ? elf_file_text(file, strings + index, size - index) : NULL;
}

// --- segments

static unsigned segments(const struct rb_elf_file *file)
{
    return (unsigned) elf_file_number(file, layout_of(file)->file.phnum, 2);
}

static uint64_t segment_at(const struct rb_elf_file *file, unsigned n)
{
    const struct layout *layout = layout_of(file);
    return address(file, layout->file.phoff) + (uint64_t) n * elf_file_number(file, layout->file.phentsize, 2);
}

// Converts an address in memory to an offset in the file. UINT64_MAX if no segment contains it.
static uint64_t elf_file_offset_of(const struct rb_elf_file *file, uint64_t place)
{
    const struct layout *layout = layout_of(file);
    for (unsigned i = 0; i < segments(file); i++) {
        uint64_t at = segment_at(file, i), from = address(file, at + layout->segment.address);
        if (elf_file_number(file, at, 4) == PT_LOAD && place >= from &&
            place - from < address(file, at + layout->segment.length))
            return address(file, at + layout->segment.offset) + (place - from);
    }
    return UINT64_MAX;
}

static int read_segments(struct rb_elf_file *file)
{
    const struct layout *layout = layout_of(file);
    unsigned count = segments(file);
    if (count > 0 && elf_file_number(file, layout->file.phentsize, 2) != layout->segment.size)
        return -ENOEXEC;
    if (count * layout->segment.size > SEGMENTS_SIZE_MAX ||
        !elf_file_holds(file, address(file, layout->file.phoff), (uint64_t) count * layout->segment.size))
        return -ENOEXEC;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = segment_at(file, i), offset = address(file, at + layout->segment.offset);
        uint64_t length = address(file, at + layout->segment.length);
        switch (elf_file_number(file, at, 4)) {
        case PT_INTERP:
            file->interpreter = elf_file_text(file, offset, length);
            break;
        case PT_DYNAMIC:
            file->dynamic = offset;
            file->dynamic_size = elf_file_holds(file, offset, length) ? length : 0;
            break;
        default:
            break;
        }
    }
    return 0;
}

// --- the dynamic section

// Reads the entry at *offset and advances *offset. Returns false after the last entry.
static bool next_dynamic(const struct rb_elf_file *file, uint64_t *offset, uint64_t *tag, uint64_t *value)
{
    unsigned word = layout_of(file)->word;
    if (*offset - file->dynamic + 2ull * word > file->dynamic_size)
        return false;
    *tag = address(file, *offset);
    *value = address(file, *offset + word);
    *offset += 2ull * word;
    return *tag != DT_NULL;
}

// Returns one more than the index of the last symbol in a GNU hash section. Header words: number of buckets, index of
// the first hashed symbol, number of Bloom filter words (of address size), Bloom shift.
static uint64_t count_by_gnu_hash(const struct rb_elf_file *file, uint64_t hash)
{
    uint64_t buckets = elf_file_number(file, hash, 4), first = elf_file_number(file, hash + 4, 4), last = 0;
    uint64_t bucket = hash + 16 + elf_file_number(file, hash + 8, 4) * layout_of(file)->word,
             chain = bucket + buckets * 4;
    for (uint64_t i = 0; i < buckets && elf_file_holds(file, bucket + i * 4, 4); i++) {
        uint64_t index = elf_file_number(file, bucket + i * 4, 4);
        last = index > last ? index : last;
    }
    if (last < first)
        return first;
    while (elf_file_holds(file, chain + (last - first) * 4, 4) &&
           !(elf_file_number(file, chain + (last - first) * 4, 4) & 1))
        last++;
    return last + 1;
}

static void elf_file_clamp(const struct rb_elf_file *file, struct rb_elf_symbols *symbols)
{
    uint64_t most = symbols->offset < file->size ? (file->size - symbols->offset) / layout_of(file)->symbol.size : 0;
    if (symbols->count > most)
        symbols->count = most;
}

// Returns the value of the last entry with this tag, or `absent` if there is no such entry.
static uint64_t dynamic_value(const struct rb_elf_file *file, uint64_t wanted, uint64_t absent)
{
    uint64_t tag, value, found = absent;
    for (uint64_t at = file->dynamic; next_dynamic(file, &at, &tag, &value);)
        found = tag == wanted ? value : found;
    return found;
}

// Returns the file offset of the table that the last entry with this tag points to, or UINT64_MAX.
static uint64_t table_at(const struct rb_elf_file *file, uint64_t wanted)
{
    uint64_t place = dynamic_value(file, wanted, UINT64_MAX);
    return place == UINT64_MAX ? place : elf_file_offset_of(file, place);
}

static void elf_file_read_dynamic(struct rb_elf_file *file)
{
    uint64_t gnu_hash = table_at(file, DT_GNU_HASH), sysv_hash = table_at(file, DT_HASH), count = 0;
    file->strings = table_at(file, DT_STRTAB);
    file->strings_size = dynamic_value(file, DT_STRSZ, 0);
    if (sysv_hash < file->size)
        count = elf_file_number(file, sysv_hash + 4, 4);
    else if (gnu_hash < file->size)
        count = count_by_gnu_hash(file, gnu_hash);
    file->imported_exported =
        (struct rb_elf_symbols){table_at(file, DT_SYMTAB), count, file->strings, file->strings_size};
    elf_file_clamp(file, &file->imported_exported);
}

const char *rb_elf_file_text(const struct rb_elf_file *file, uint64_t wanted, unsigned n)
{
    uint64_t tag, value;
    for (uint64_t at = file->dynamic; next_dynamic(file, &at, &tag, &value);)
        if (tag == wanted && n-- == 0)
            return text_in(file, file->strings, file->strings_size, value);
    return NULL;
}

// --- sections

static unsigned sections(const struct rb_elf_file *file)
{
    const struct layout *layout = layout_of(file);
    bool known = elf_file_number(file, layout->file.shentsize, 2) == layout->section.size;
    return known ? (unsigned) elf_file_number(file, layout->file.shnum, 2) : 0;
}

static uint64_t section_at(const struct rb_elf_file *file, uint64_t n)
{
    return address(file, layout_of(file)->file.shoff) + n * layout_of(file)->section.size;
}

static void section_place(const struct rb_elf_file *file, uint64_t n, uint64_t *offset, uint64_t *length)
{
    const struct layout *layout = layout_of(file);
    *offset = address(file, section_at(file, n) + layout->section.offset);
    *length = n < sections(file) ? address(file, section_at(file, n) + layout->section.length) : 0;
}

static void read_sections(struct rb_elf_file *file)
{
    const struct layout *layout = layout_of(file);
    struct rb_elf_symbols *own = &file->own;
    for (unsigned i = 0; i < sections(file); i++) {
        if (elf_file_number(file, section_at(file, i) + 4, 4) != SHT_SYMTAB)
            continue;
        section_place(file, i, &own->offset, &own->count);
        own->count /= layout->symbol.size;
        section_place(file, elf_file_number(file, section_at(file, i) + layout->section.link, 4), &own->strings,
                      &own->strings_size);
        elf_file_clamp(file, own);
    }
}

bool rb_elf_file_section(const struct rb_elf_file *file, const char *name)
{
    uint64_t strings, size;
    section_place(file, elf_file_number(file, layout_of(file)->file.shstrndx, 2), &strings, &size);
    for (unsigned i = 0; i < sections(file); i++) {
        const char *found = text_in(file, strings, size, elf_file_number(file, section_at(file, i), 4));
        if (found && strcmp(found, name) == 0)
            return true;
    }
    return false;
}

// --- Go

// True if a segment of notes contains one of Go. A note has three words (the lengths of its name and its description,
// and its type), then both texts, each padded to four bytes.
static bool notes_of_go(const struct rb_elf_file *file, uint64_t at, uint64_t length)
{
    static const char name[] = "Go";
    uint64_t end = elf_file_holds(file, at, length) ? at + length : 0;
    while (at + 12 <= end) {
        uint64_t name_size = elf_file_number(file, at, 4), text_size = elf_file_number(file, at + 4, 4);
        const char *found = elf_file_text(file, at + 12, name_size);
        if (found && strcmp(found, name) == 0)
            return true;
        at += 12 + (name_size + 3) / 4 * 4 + (text_size + 3) / 4 * 4;
    }
    return false;
}

bool rb_elf_file_is_go(const struct rb_elf_file *file)
{
    const struct layout *layout = layout_of(file);
    bool found = rb_elf_file_section(file, ".go.buildinfo") || rb_elf_file_section(file, ".note.go.buildid");
    for (unsigned i = 0; !found && i < segments(file); i++) {
        uint64_t at = segment_at(file, i);
        found = elf_file_number(file, at, 4) == PT_NOTE && notes_of_go(file, address(file, at + layout->segment.offset),
                                                                       address(file, at + layout->segment.length));
    }
    return found;
}

// --- the file

int rb_elf_file_parse(const void *data, size_t size, struct rb_elf_file *file)
{
    const unsigned char *bytes = data;
    *file = (struct rb_elf_file){0};
    if (size < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return -ENOEXEC;
    unsigned class = bytes[EI_CLASS], order = bytes[EI_DATA];
    if ((class != ELFCLASS32 && class != ELFCLASS64) || (order != ELFDATA2LSB && order != ELFDATA2MSB))
        return -ENOEXEC;
    struct rb_elf_file found = {.data = bytes, .size = size, .wide = class == ELFCLASS64, .big = order == ELFDATA2MSB};
    if (size < layout_of(&found)->header || read_segments(&found) != 0)
        return -ENOEXEC;
    found.type = (uint16_t) elf_file_number(&found, EI_NIDENT, 2);
    found.machine = (uint16_t) elf_file_number(&found, EI_NIDENT + 2, 2);
    elf_file_read_dynamic(&found);
    read_sections(&found);
    *file = found;
    return 0;
}

int rb_elf_file_open(const char *path, struct rb_elf_file *file)
{
    struct rb_mapping mapping;
    *file = (struct rb_elf_file){0};
    int error = rb_mapping_open(path, &mapping);
    if (error == 0)
        error = rb_elf_file_parse(mapping.data, mapping.size, file);
    if (error != 0)
        rb_mapping_close(&mapping);
    return error;
}

void rb_elf_file_close(struct rb_elf_file *file)
{
    struct rb_mapping mapping = {file->data, file->size};
    rb_mapping_close(&mapping);
    *file = (struct rb_elf_file){0};
}

bool rb_elf_file_same_kind(const struct rb_elf_file *a, const struct rb_elf_file *b)
{
    return a->wide == b->wide && a->big == b->big && a->machine == b->machine;
}

void rb_elf_file_symbols(const struct rb_elf_file *file, const struct rb_elf_symbols *symbols, rb_elf_symbol_fn *each,
                         void *context)
{
    const struct layout *layout = layout_of(file);
    for (uint64_t i = 0; i < symbols->count; i++) {
        uint64_t at = symbols->offset + i * layout->symbol.size;
        const char *name = text_in(file, symbols->strings, symbols->strings_size, elf_file_number(file, at, 4));
        unsigned binding = ELF64_ST_BIND(elf_file_number(file, at + layout->symbol.info, 1)); // equal for both classes
        bool local = binding == STB_LOCAL && symbols == &file->imported_exported;
        if (name && *name && !local)
            each(context, name, elf_file_number(file, at + layout->symbol.index, 2) != SHN_UNDEF);
    }
}

const char *rb_elf_file_find(const struct rb_elf_file *file, const char *from, const char *bytes)
{
    const char *begin = from ? from : (const char *) file->data;
    return file->data ? memmem(begin, rb_elf_file_left(file, begin), bytes, strlen(bytes)) : NULL;
}

size_t rb_elf_file_left(const struct rb_elf_file *file, const char *at)
{
    return file->size - (size_t) ((const unsigned char *) at - file->data);
}
