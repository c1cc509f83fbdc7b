// Compiled twin of tb/lanes.py: uniform codes at a bit offset of packed little-endian rows, eight bytes of codes at a time.
#include <cstdint>
#include <cstring>

namespace {

// A word of memory holds `per_word` codes of `width` bits, each in storage of its own. Squeezing halves the number of
// gaps three times at most: neighbours join into fields of twice the width in twice the storage. Spreading undoes it.
template <typename Code>
struct Squeeze {
    static constexpr unsigned per_word = 8 / sizeof(Code);
    struct Step {
        uint64_t lower;  // where the lower neighbours lie
        unsigned storage, width;
    } steps[3];
    unsigned count = 0;

    explicit Squeeze(unsigned width) {
        for (unsigned storage = 8 * sizeof(Code); storage < 64; storage *= 2, width *= 2) {
            uint64_t lower = 0;
            for (unsigned bit = 0; bit < 64; bit += 2 * storage) lower |= ((uint64_t(1) << width) - 1) << bit;
            steps[count++] = {lower, storage, width};
        }
    }
    uint64_t join(uint64_t x) const {
        for (unsigned k = 0; k < count; ++k) {
            const auto [lower, storage, width] = steps[k];
            x = (x & lower) | ((x & (lower << storage)) >> (storage - width));
        }
        return x;
    }
    uint64_t split(uint64_t x) const {
        for (unsigned k = count; k-- > 0;) {
            const auto [lower, storage, width] = steps[k];
            x = (x & lower) | ((x & (lower << width)) << (storage - width));
        }
        return x;
    }
};

inline uint64_t load(const uint8_t* from, uint64_t bytes) {
    uint64_t word = 0;
    memcpy(&word, from, bytes < 8 ? bytes : 8);
    return word;
}

template <typename Code>
void insert(const Code* codes, uint8_t* rows, uint64_t n, uint64_t lanes, unsigned width, uint64_t lsb, uint64_t bytes) {
    const Squeeze<Code> squeeze(width);
    constexpr unsigned step = Squeeze<Code>::per_word;
    const uint64_t end = lsb % 8 + lanes * width;  // last bit written, counted from the first byte touched
    for (uint64_t r = 0; r < n; ++r, rows += bytes) {
        uint8_t* out = rows + lsb / 8;
        uint64_t pending = 0, stored = 0;  // bits not stored yet (at most 63), bits stored
        unsigned count = lsb % 8;
        auto append = [&](uint64_t bits, unsigned size) {
            pending |= bits << count;
            count += size;
            if (count < 64) return;
            pending |= load(out, 8);
            memcpy(out, &pending, 8);
            out += 8;
            stored += 64;
            count -= 64;
            pending = count ? bits >> (size - count) : 0;
        };
        uint64_t k = 0;
        for (; k + step <= lanes; k += step, codes += step) {
            uint64_t word;
            memcpy(&word, codes, 8);
            append(squeeze.join(word), step * width);
        }
        for (; k < lanes; ++k) append(*codes++, width);
        for (; stored < end; stored += 8, pending >>= 8) *out++ |= uint8_t(pending);
    }
}

template <typename Code>
void extract(Code* codes, const uint8_t* rows, uint64_t n, uint64_t lanes, unsigned width, uint64_t lsb, uint64_t bytes) {
    const Squeeze<Code> squeeze(width);
    constexpr unsigned step = Squeeze<Code>::per_word;
    for (uint64_t r = 0; r < n; ++r, rows += bytes) {
        uint64_t bit = lsb;
        auto take = [&](unsigned size) {
            const uint64_t byte = bit / 8, shift = bit % 8;
            uint64_t word = load(rows + byte, bytes - byte) >> shift;
            if (shift + size > 64) word |= uint64_t(rows[byte + 8]) << (64 - shift);
            bit += size;
            return size < 64 ? word & ((uint64_t(1) << size) - 1) : word;
        };
        uint64_t k = 0;
        for (; k + step <= lanes; k += step, codes += step) {
            const uint64_t word = squeeze.split(take(step * width));
            memcpy(codes, &word, 8);
        }
        for (; k < lanes; ++k) *codes++ = Code(take(width));
    }
}

}  // namespace

extern "C" {

void ng_insert(const void* codes, uint32_t size, uint8_t* rows, uint64_t n, uint64_t lanes, uint64_t width, uint64_t lsb,
               uint64_t bytes) {
    switch (size) {
        case 1: return insert(static_cast<const uint8_t*>(codes), rows, n, lanes, width, lsb, bytes);
        case 2: return insert(static_cast<const uint16_t*>(codes), rows, n, lanes, width, lsb, bytes);
        case 4: return insert(static_cast<const uint32_t*>(codes), rows, n, lanes, width, lsb, bytes);
        default: return insert(static_cast<const uint64_t*>(codes), rows, n, lanes, width, lsb, bytes);
    }
}

void ng_extract(void* codes, uint32_t size, const uint8_t* rows, uint64_t n, uint64_t lanes, uint64_t width, uint64_t lsb,
                uint64_t bytes) {
    switch (size) {
        case 1: return extract(static_cast<uint8_t*>(codes), rows, n, lanes, width, lsb, bytes);
        case 2: return extract(static_cast<uint16_t*>(codes), rows, n, lanes, width, lsb, bytes);
        case 4: return extract(static_cast<uint32_t*>(codes), rows, n, lanes, width, lsb, bytes);
        default: return extract(static_cast<uint64_t*>(codes), rows, n, lanes, width, lsb, bytes);
    }
}
}
