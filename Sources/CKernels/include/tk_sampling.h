// From a row of logits: log-probabilities, and the choice of a token.
//
// The denominator of a softmax over the vocabulary is summed in double precision, in eight lanes by (id mod 8)
// ascending, which are reduced like those of a dot product. So sampler, scorer and trainer get the same bits, from
// the row alone.
#ifndef TK_SAMPLING_H
#define TK_SAMPLING_H

#include "tk_pool.h"
#include "tk_types.h"

// A token to draw.
typedef struct tk_sample_row {
  float *_Nonnull logits;  // `count` of them; penalties change them in place
  size_t count;
  size_t allowed;          // only ids below this are drawn; 1 ... count
  float temperature;       // 0 takes the likeliest, the first of equals
  size_t top_k;            // 0: off
  float top_p, min_p;      // 1 and 0: off
  double uniform;          // in [0, 1)

  // Ids under penalties, how often each was drawn (0: it stands in the prompt only), and the penalties: Hugging Face's
  // factor (1: off), and the API's two summands (0: off).
  const uint32_t *_Nullable penalised;
  const uint32_t *_Nullable drawn;
  size_t penalties;
  float repetition, presence, frequency;

  // The `top` likeliest ids and their ln p, filled if `top` > 0.
  size_t top;
  uint32_t *_Nullable top_ids;
  float *_Nullable top_log_probabilities;

  // Results. Nothing else is valid unless `finite`.
  bool finite;                    // no NaN, no +infinity, and not all -infinity
  uint32_t token;
  float log_probability;          // ln p of the token before penalties, at temperature 1
  float tempered_log_probability; // the same after penalties and temperature, before the filters
} tk_sample_row;
// Draws a token for each row, rows in parallel. Filters apply in the order top-k, top-p, min-p. `uniform` is a share of
// the weight that passes, counted in the order of ids.
void tk_sample(tk_pool *_Nonnull pool, tk_sample_row *_Nonnull rows, size_t n);

// A token whose log-probability is asked for.
typedef struct tk_score_row {
  const float *_Nonnull logits;
  size_t count;
  uint32_t token;
  float temperature;      // above 0
  float log_probability;  // result: NaN if the logits are not finite
} tk_score_row;
void tk_score(tk_pool *_Nonnull pool, tk_score_row *_Nonnull rows, size_t n);

// The softmax of one row at a temperature above 0, to ask for any of its tokens. False if the logits are not finite.
typedef struct tk_softmax {
  float peak, inverse;  // the largest logit, and 1 / temperature
  double log_sum;       // ln of the denominator, relative to the peak
} tk_softmax;
bool tk_softmax_of(const float *_Nonnull logits, size_t count, float temperature, tk_softmax *_Nonnull result);
// ln p of a token with this logit: the bits that tk_sample and tk_score give.
float tk_log_probability(const tk_softmax *_Nonnull softmax, float logit);

#endif
