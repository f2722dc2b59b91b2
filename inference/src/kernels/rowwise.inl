// RMSNorm, softmax, RoPE, attention and SwiGLU; see body.inl for what surrounds them.

void rmsnorm(const float* x, const float* weight, float* y, int64_t d, float eps, Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
        const float* in = x + row * d;
        float* out = y + row * d;
        int64_t summed = d;
#ifdef AESTUS_FAULT_TAIL_OFF_BY_ONE
        if (d % 8 != 0) summed = d - 1;
#endif
        const float mean = dot(in, in, summed) / static_cast<float>(d);
        const float scale = 1.0f / __builtin_sqrtf(mean + eps);
        for (int64_t i = 0; i < d; ++i) out[i] = (in[i] * scale) * weight[i];
    }
}

// Sum in the 8-lane order.
float lane_sum(const float* x, int64_t n) {
    float acc[8] = {};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int j = 0; j < 8; ++j) acc[j] += x[i + j];
    }
    for (int j = 0; i + j < n; ++j) acc[j] += x[i + j];
    return ((acc[0] + acc[4]) + (acc[2] + acc[6])) + ((acc[1] + acc[5]) + (acc[3] + acc[7]));
}

// Not fmax: GCC 12 for aarch64 dies on fmax reductions. A NaN is skipped here and comes back through exp.
float largest_of(const float* x, int64_t n) {
    float lanes[8];
    for (int j = 0; j < 8; ++j) lanes[j] = -__builtin_inff();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int j = 0; j < 8; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    }
    for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    float largest = lanes[0];
    for (int j = 1; j < 8; ++j) largest = lanes[j] > largest ? lanes[j] : largest;
    return largest;
}

// y may be x. An empty row stays empty.
void softmax_row(const float* x, float* y, int64_t d) {
    const float largest = largest_of(x, d);
    for (int64_t i = 0; i < d; ++i) y[i] = static_cast<float>(math::exp64(static_cast<double>(x[i] - largest)));
    const float sum = lane_sum(y, d);
    for (int64_t i = 0; i < d; ++i) y[i] = y[i] / sum;
}

void softmax(const float* x, float* y, int64_t d, Range rows) {
    for (int64_t row = rows.begin; row < rows.end; ++row) softmax_row(x + row * d, y + row * d, d);
}

void rotate(const float* x, float* y, const float* cosine, const float* sine, int64_t heads, int64_t head_dim,
            Range tokens) {
    const int64_t pairs = head_dim / 2;
    for (int64_t token = tokens.begin; token < tokens.end; ++token) {
        const float* c = cosine + token * pairs;
        const float* s = sine + token * pairs;
        for (int64_t head = 0; head < heads; ++head) {
            const float* in = x + (token * heads + head) * head_dim;
            float* out = y + (token * heads + head) * head_dim;
            for (int64_t i = 0; i < pairs; ++i) {
                const float even = in[2 * i];
                const float odd = in[2 * i + 1];
                out[2 * i] = even * c[i] - odd * s[i];
                out[2 * i + 1] = even * s[i] + odd * c[i];
            }
        }
    }
}

// scratch: scores of the heads that share one key/value head, [heads/kv_heads, positions]
void attention(const float* q, const float* k, const float* v, float* y, int64_t, int64_t past, int64_t heads,
               int64_t kv_heads, int64_t head_dim, float* scratch, Range units) {
    const int64_t group = heads / kv_heads;
    const int64_t stride = kv_heads * head_dim;
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(head_dim));
    for (int64_t unit = units.begin; unit < units.end; ++unit) {
        const int64_t token = unit / kv_heads;
        const int64_t kv_head = unit % kv_heads;
        const int64_t positions = past + token + 1;
        const int64_t first = (token * heads + kv_head * group) * head_dim;
        tiles(q + first, head_dim, k + kv_head * head_dim, stride, head_dim, scratch, positions, group, positions);
        for (int64_t head = 0; head < group; ++head) {
            float* scores = scratch + head * positions;
            for (int64_t t = 0; t < positions; ++t) scores[t] *= scale;
            softmax_row(scores, scores, positions);
            weighted_sum(scores, v + kv_head * head_dim, stride, positions, head_dim, y + first + head * head_dim);
        }
    }
}

void swiglu(const float* gate, const float* up, float* y, Range elements) {
    for (int64_t i = elements.begin; i < elements.end; ++i) {
        const double g = static_cast<double>(gate[i]);
        y[i] = static_cast<float>(g / (1.0 + math::exp64(-g))) * up[i];
    }
}
