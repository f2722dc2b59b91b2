// Reference quantisers, ggml's formulas: scales are rounded to f16, quants are computed with the unrounded scale.

// d = max|x| / 127, q = round-half-even(x / d)
void quantize_block_q8_0(const float* x, uint8_t* w) {
    float largest = 0.0f;
    for (int64_t i = 0; i < kQuantBlock; ++i) {
        const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
        largest = magnitude > largest ? magnitude : largest;
    }
    const float d = largest / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const uint16_t half = math::float_to_half(d);
    std::memcpy(w, &half, sizeof half);
    for (int64_t i = 0; i < kQuantBlock; ++i) {
        constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: rounds to an integer, ties to even
        const float q = (x[i] * inverse + kMagic) - kMagic;
        w[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(q));
    }
}

// d = (max - min) / 15, m = min, q = min(15, trunc((x - min) / d + 0.5))
void quantize_block_q4_1(const float* x, uint8_t* w) {
    float low = x[0];
    float high = x[0];
    for (int64_t i = 1; i < kQuantBlock; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float d = (high - low) / 15.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const uint16_t halves[2] = {math::float_to_half(d), math::float_to_half(low)};
    std::memcpy(w, halves, sizeof halves);
    for (int64_t i = 0; i < kQuantBlock / 2; ++i) {
        const int first = static_cast<int>((x[i] - low) * inverse + 0.5f);
        const int second = static_cast<int>((x[i + kQuantBlock / 2] - low) * inverse + 0.5f);
        w[4 + i] = static_cast<uint8_t>((first > 15 ? 15 : first) | (second > 15 ? 15 : second) << 4);
    }
}

void quantize(QType type, const float* x, uint8_t* w, int64_t k) {
    if (type == QType::f32) {
        std::memcpy(w, x, static_cast<size_t>(k) * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < k / kQuantBlock; ++i) {
        if (type == QType::q8_0) quantize_block_q8_0(x + i * kQuantBlock, w + i * kQ8_0Bytes);
        if (type == QType::q4_1) quantize_block_q4_1(x + i * kQuantBlock, w + i * kQ4_1Bytes);
    }
}
