/* The lean rule in C, with vector intrinsics where the CPU has AVX-512: a bound for the compiled Python engine.
 *
 * The same integers, the same streams, the same order: weights must come out equal, bit for bit. Built and timed by
 * benchmarks/stdp_speed.py; nothing in the package uses it.
 *
 *     cc -O3 -march=native -shared -fPIC lean_bound.c -o lean_bound.so -lm
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX512BW__
#include <immintrin.h>
#endif

enum { LANES = 64, BURST = 16, AHEAD = 4, MOST = 32, PAD = 128, TOP = 32766 };
static const uint64_t GOLDEN = 0x9E3779B97F4A7C15u, STEP = 0xD6E8FEB86659FD93u;

static inline uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline uint64_t stream_key(uint64_t seed, uint64_t stream) {
    return mix(mix(seed + GOLDEN) ^ (stream * STEP + GOLDEN));
}

typedef struct {
    const uint64_t *counts;
    const uint8_t *guide;
    int n_counts, n_inputs, n_slots;
    uint16_t *slots, *active, *candidates;
    int32_t *last_step, *spikes, *ends, *drawn;
} Stream;

static int begin(Stream *s, const uint16_t *share) {
    int64_t total = 0, so_far = 0, filled = 0;
    int n_active = 0;
    for (int i = 0; i < s->n_inputs; i++) {
        total += share[i];
        s->active[n_active] = (uint16_t)i;
        n_active += share[i] > 0;
    }
    if (!total) return 0;
    double scale = s->n_slots / (double)total;
    for (int place = 0; place < n_active; place++) {
        uint16_t i = s->active[place];
        so_far += share[i];
        int64_t end = (int64_t)((double)so_far * scale);
        for (int64_t first = filled; first < end; first += PAD)
            for (int k = 0; k < PAD; k++) s->slots[first + k] = i;
        filled = end;
    }
    for (; filled < s->n_slots; filled++) s->slots[filled] = s->active[n_active - 1];
    memset(s->last_step, 0xff, sizeof(int32_t) * s->n_inputs);
    s->ends[0] = s->drawn[0] = 0;
    return 1;
}

static void draw(Stream *s, uint64_t key, int first, int stop) {
    int64_t begun = s->drawn[first], event = begun;
    for (int t = first; t < stop; t++) {
        uint64_t bits = mix(key ^ ((uint64_t)(t + 1) * STEP));
        int n = s->guide[bits >> 56];
        while (bits >= s->counts[n] && n < s->n_counts - 1) n++;
        event += n;
        s->drawn[t + 1] = (int32_t)event;
    }
    uint64_t mask = s->n_slots - 1;
    int64_t word = begun >> 2, skipped = begun & 3, place = 0;
    for (; word < (event + 3) >> 2; word++, place += 4) {
        uint64_t bits = mix(key + (uint64_t)(word + 1) * GOLDEN);
        for (int k = 0; k < 4; k++) s->candidates[place + k] = s->slots[(bits >> 16 * k) & mask];
    }
    int64_t n = s->ends[first];
    place = skipped;
    for (int t = first; t < stop; t++) {
        int64_t last = skipped + s->drawn[t + 1] - begun, full = n + MOST;
        for (; place < last; place++) {
            int index = s->candidates[place];
            s->spikes[n] = index;
            n += (s->last_step[index] != t) & (n < full);
            s->last_step[index] = t;
        }
        s->ends[t + 1] = (int32_t)n;
    }
}

/* Steps first to stop of LANES neurons, or through the first at which any should fire; returns the next step. */
static int advance_block(const uint8_t *weights, const uint16_t *gain, const int16_t *limit, const int16_t *v,
                         int16_t *v_next, const int16_t *rests, const Stream *s, int block, int first, int stop, int leak,
                         int n_padded, int *crossed) {
    int t = first, most = 0;
#ifdef __AVX512BW__
    const __m512i highest = _mm512_set1_epi16(32767), leaks = _mm512_set1_epi16((int16_t)leak);
    __m512i now[2], bound[2], awake[2], factor[2], total[2];
    for (int h = 0; h < 2; h++) {
        now[h] = _mm512_loadu_si512(v + block + 32 * h);
        bound[h] = _mm512_loadu_si512(limit + block + 32 * h);
        awake[h] = _mm512_loadu_si512(rests + block + 32 * h);
        factor[h] = _mm512_loadu_si512(gain + block + 32 * h);
    }
    for (; t < stop && !most; t++) {
        total[0] = total[1] = _mm512_setzero_si512();
        for (int k = s->ends[t]; k < s->ends[t + 1]; k++) {
            const uint8_t *row = weights + (size_t)s->spikes[k] * n_padded + block;
            for (int h = 0; h < 2; h++)
                total[h] = _mm512_add_epi16(
                    total[h], _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(row + 32 * h))));
        }
        for (int h = 0; h < 2; h++) {
            __m512i current = _mm512_mulhi_epu16(_mm512_slli_epi16(total[h], 3), factor[h]);
            now[h] = _mm512_sub_epi16(now[h], _mm512_mulhi_epi16(now[h], leaks));
            now[h] = _mm512_adds_epi16(now[h], _mm512_min_epu16(current, highest));
            __mmask32 is_awake = _mm512_cmple_epi16_mask(awake[h], _mm512_set1_epi16((int16_t)t));
            now[h] = _mm512_maskz_mov_epi16(is_awake, now[h]);
            most |= _mm512_cmpge_epi16_mask(now[h], bound[h]) != 0;
        }
    }
    for (int h = 0; h < 2; h++) _mm512_storeu_si512(v_next + block + 32 * h, now[h]);
#else
    int16_t now[LANES];
    memcpy(now, v + block, sizeof now);
    for (; t < stop && !most; t++) {
        uint16_t total[LANES] = {0};
        for (int k = s->ends[t]; k < s->ends[t + 1]; k++) {
            const uint8_t *row = weights + (size_t)s->spikes[k] * n_padded + block;
            for (int j = 0; j < LANES; j++) total[j] += row[j];
        }
        for (int j = 0; j < LANES; j++) {
            uint32_t current = ((uint32_t)(uint16_t)(total[j] << 3) * gain[block + j]) >> 16;
            int moved = now[j] - ((now[j] * leak) >> 16) + (int)(current > 32767 ? 32767 : current);
            moved = moved > 32767 ? 32767 : moved < -32768 ? -32768 : moved;
            now[j] = (int16_t)(rests[block + j] <= t ? moved : 0);
            most |= now[j] >= limit[block + j];
        }
    }
    memcpy(v_next + block, now, sizeof now);
#endif
    *crossed |= most;
    return t;
}

/* Advance to stop, or through the step at which a neuron reaches its threshold; the leader's block goes first. */
static int run_until_spike(const uint8_t *weights, const uint16_t *gain, const int16_t *limit, int16_t *v,
                           int16_t *v_next, const int16_t *rests, const Stream *s, int first, int stop, int leak,
                           int n_padded, int leader, int *low, int *high) {
    int block = leader / LANES * LANES, todo = n_padded / LANES;
    *low = n_padded, *high = 0;
    for (int done = 0; done < todo; done++) {
        int crossed = 0;
        int reached =
            advance_block(weights, gain, limit, v, v_next, rests, s, block, first, stop, leak, n_padded, &crossed);
        if (reached < stop) stop = reached, *low = n_padded, *high = 0, todo = n_padded / LANES + done;
        if (crossed) {
            if (block < *low) *low = block;
            if (block + LANES > *high) *high = block + LANES;
        }
        block = block + LANES < n_padded ? block + LANES : 0;
    }
    memcpy(v, v_next, 2 * n_padded);
    return stop;
}

static int16_t level(float v_threshold, float theta) {
    float mv = (v_threshold + theta) * 64.0f, rounded = rintf(mv);
    return (int16_t)(rounded < TOP ? rounded : TOP);
}

/* Learn from samples in order; constants as in the Python engine, rounding stochastic. */
void learn(const uint16_t *shares, int64_t n_samples, int64_t n_inputs, uint64_t seed, const uint64_t *counts,
           int64_t n_counts, const uint8_t *guide, int64_t n_slots, uint8_t *weights, uint16_t *gain, float *theta,
           int16_t *limit, int64_t n_padded, int64_t n_neurons, const float *eta, const float *rise, float theta_keep,
           double gain_norm, float v_threshold, int64_t leak, int64_t w_inhibit, int64_t v_floor, int64_t n_refractory,
           int64_t n_bits, int64_t stops, int64_t n_steps) {
    Stream s = {counts, guide, (int)n_counts, (int)n_inputs, (int)n_slots,
                malloc(2 * (n_slots + PAD)), malloc(2 * (n_inputs + 1)), malloc(2 * (BURST * n_counts + 8)), malloc(4 * n_inputs),
                malloc(4 * (n_steps * MOST + 1)), malloc(4 * (n_steps + 1)), malloc(4 * (n_steps + 1))};
    int16_t *v = malloc(2 * n_padded), *v_next = malloc(2 * n_padded), *rests = malloc(2 * n_padded);
    int32_t *n_out = calloc(n_padded, 4), *n_in = malloc(4 * n_inputs), *winners = malloc(4 * n_steps);
    int low = 24 - (int)n_bits, grid = 8 - (int)n_bits, highest = 256 - (1 << grid);
    for (int64_t sample = 0; sample < n_samples; sample++) {
        uint64_t key = stream_key(seed, sample);
        int n_won = 0, t = 0, drawn_to = 0, ahead = 0, winner = 0;
        memset(v, 0, 2 * n_padded);
        memset(rests, 0, 2 * n_padded);
        int is_active = begin(&s, shares + sample * n_inputs);
        while (is_active && t < n_steps) {
            for (int burst = 0; t == drawn_to && burst < (n_won ? AHEAD : 1); burst++) {
                int end = ahead + BURST < n_steps ? ahead + BURST : (int)n_steps;
                draw(&s, key, ahead, end);
                ahead = end;
            }
            drawn_to = ahead;
            int low, high;
            t = run_until_spike(weights, gain, limit, v, v_next, rests, &s, t, drawn_to, (int)leak, (int)n_padded, winner,
                                &low, &high);
            if (low >= high) continue;
            int best = -1;
            for (int j = low; j < high; j++)
                if (v[j] - limit[j] > best) best = v[j] - limit[winner = j];
            for (int j = 0; j < n_padded; j++) {
                int64_t down = v[j] - w_inhibit;
                v[j] = (int16_t)(down > v_floor ? down : v_floor);
            }
            v[winner] = 0;
            rests[winner] = (int16_t)(t + n_refractory);
            winners[n_won++] = winner;
            n_out[winner]++;
            theta[winner] += rise[sample];
            limit[winner] = level(v_threshold, theta[winner]);
            if (stops) break;
        }
        if (n_won) {
            memset(n_in, 0, 4 * n_inputs);
            for (int k = 0; k < s.ends[t]; k++) n_in[s.spikes[k]]++;
            for (int i = 0; i < n_inputs; i++) {
                double rate = n_in[i] * 20.0 / t;
                n_in[i] = (int32_t)rintf((float)(rate < 1 ? rate : 1) * 256.0f);
            }
        }
        for (int k = 0; k < n_won; k++) {
            int post = winners[k];
            if (!n_out[post]) continue;
            float strength = (float)((n_out[post] + 3) / 4 * (double)eta[sample]);
            int64_t pull = (int64_t)rintf((strength < 1 ? strength : 1) * 65536.0f), total = 0;
            uint64_t place = mix(key + (uint64_t)post), bits = 0;
            n_out[post] = 0;
            for (int i = 0; i < n_inputs; i++) {
                bits = i % 2 ? bits << 32 : mix(place + (uint64_t)(i / 2 + 1) * GOLDEN);
                uint8_t *w = weights + i * n_padded + post;
                int64_t change = ((n_in[i] - *w) * pull + (int64_t)(bits >> (64 - low))) >> low;
                int64_t next = *w + (change << grid);
                *w = (uint8_t)(next < 0 ? 0 : next > highest ? highest : next);
                total += *w * *w;
            }
            double g = total ? rint(gain_norm / (sqrt((double)total) / 256.0) * 2048) : 0;
            gain[post] = (uint16_t)(g < 65535 ? g : 65535);
        }
        for (int j = 0; j < n_neurons; j++) {
            theta[j] *= theta_keep;
            limit[j] = level(v_threshold, theta[j]);
        }
    }
    free(s.slots), free(s.active), free(s.candidates), free(s.last_step), free(s.spikes), free(s.ends), free(s.drawn);
    free(v), free(v_next), free(rests), free(n_out), free(n_in), free(winners);
}
