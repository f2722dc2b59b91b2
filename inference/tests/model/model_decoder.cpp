// The decoder on a tiny model: pinned logits, and what may not change them.
#include <gtest/gtest.h>

#include <cstring>

#include "base/status.h"
#include "model/session.h"
#include "synthetic_gguf.h"

namespace {

using aestus::Error;
using aestus::Model;
using aestus::Session;

class Decoder : public testing::Test {
 protected:
  static std::vector<float> all_logits(Session* session, const std::vector<int32_t>& ids) {
    std::vector<float> logits(ids.size() * static_cast<size_t>(session_vocab));
    session->eval(ids.data(), static_cast<int64_t>(ids.size()), logits.data(), true);
    return logits;
  }

  const std::vector<uint8_t> file_ = aestus::tools::synthetic_gguf();
  const Model model_{"synthetic", file_.data(), file_.size()};
  static constexpr int64_t session_vocab = 266;
  const std::vector<int32_t> ids_ = {1, 259, 40, 200, 3, 265, 77, 31, 0, 12, 150};
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST_F(Decoder, ModelTellsItsSizes) {
  EXPECT_EQ(model_.config().vocab, session_vocab);
  EXPECT_EQ(model_.config().head_dim, 16);
  EXPECT_GT(model_.weights().bytes, 0);
}

#include "model_decoder_golden.inc"

// The golden comes from a float64 NumPy decoder which shares no code with this one; kGoldenBound
// is far above the rounding of float32 here (1e-5 seen) and far below any wrong index.
TEST_F(Decoder, LogitsAreThoseOfTheFloat64Reference) {
  constexpr float kGoldenBound = 2e-4f;
  Session session(model_, 64, 1);
  const std::vector<float> logits = all_logits(&session, ids_);
  for (const Golden& golden : kGoldens) {
    const size_t at = static_cast<size_t>(golden.position * session_vocab + golden.token);
    EXPECT_NEAR(logits[at], golden.logit, kGoldenBound)
        << "position " << golden.position << ", token " << golden.token;
  }
}

TEST_F(Decoder, ThreadsDoNotChangeABit) {
  Session one(model_, 64, 1);
  const std::vector<float> expected = all_logits(&one, ids_);
  for (const int32_t threads : {2, 3, 7}) {
    Session many(model_, 64, threads);
    EXPECT_TRUE(same_bits(all_logits(&many, ids_), expected)) << threads << " threads";
  }
}

TEST_F(Decoder, CutsBetweenCallsDoNotChangeABit) {
  Session whole(model_, 64, 1);
  const std::vector<float> expected = all_logits(&whole, ids_);
  Session cut(model_, 64, 2);
  std::vector<float> logits;
  for (const int32_t id : ids_) {
    const std::vector<float> row = all_logits(&cut, {id});
    logits.insert(logits.end(), row.begin(), row.end());
  }
  EXPECT_TRUE(same_bits(logits, expected));
}

TEST_F(Decoder, ProfileTimesEveryOperatorAndChangesNoBit) {
  Session plain(model_, 64, 1);
  const std::vector<float> expected = all_logits(&plain, ids_);
  Session timed(model_, 64, 1);
  aestus::Profile profile;
  timed.set_profile(&profile);
  EXPECT_TRUE(same_bits(all_logits(&timed, ids_), expected));
  std::vector<double> spent;
  for (size_t which = 0; which < aestus::kOperatorNames.size(); ++which) {
    spent.push_back(profile.seconds(which));
    EXPECT_GT(spent.back(), 0) << aestus::kOperatorNames[which];
  }
  timed.set_profile(nullptr);
  timed.reset();
  all_logits(&timed, ids_);
  for (size_t which = 0; which < spent.size(); ++which)
    EXPECT_EQ(profile.seconds(which), spent[which]) << aestus::kOperatorNames[which];
}

TEST_F(Decoder, ResetForgets) {
  Session session(model_, 64, 1);
  const std::vector<float> first = all_logits(&session, ids_);
  session.reset();
  EXPECT_TRUE(same_bits(all_logits(&session, ids_), first));
}

TEST_F(Decoder, LongPromptsRunInBatches) {
  aestus::tools::SyntheticShape shape;
  shape.context = 600;
  const std::vector<uint8_t> file = aestus::tools::synthetic_gguf(shape);
  const Model model("long", file.data(), file.size());
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 520; ++i) ids.push_back(i * 31 % 266);
  Session whole(model, 600, 2);
  std::vector<float> last(266);
  whole.eval(ids.data(), 520, last.data(), false);
  Session parts(model, 600, 1);
  std::vector<float> other(266);
  parts.eval(ids.data(), 100, other.data(), false);
  parts.eval(ids.data() + 100, 420, other.data(), false);
  EXPECT_TRUE(same_bits(last, other));
}

void expect_argument_error(const std::string& sentence, const std::function<void()>& act) {
  try {
    act();
    ADD_FAILURE() << "accepted; expected was: " << sentence;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), AESTUS_ERR_ARGUMENT);
    EXPECT_NE(std::string(error.what()).find(sentence), std::string::npos) << error.what();
  }
}

TEST_F(Decoder, RefusalsLeaveTheSequenceAsItWas) {
  Session session(model_, 4, 1);
  std::vector<float> logits(266);
  const int32_t bad[] = {5, 266};
  expect_argument_error("token 1 is 266, outside 0 to 265",
                        [&] { session.eval(bad, 2, logits.data(), false); });
  expect_argument_error("5 tokens do not fit: 0 of 4 positions are taken",
                        [&] { session.eval(ids_.data(), 5, logits.data(), false); });
  EXPECT_EQ(session.position(), 0);
  expect_argument_error("context is 65, allowed are 1 to 64", [&] { Session(model_, 65, 1); });
  expect_argument_error("threads is 0", [&] { Session(model_, 4, 0); });
}

TEST(Argmax, TakesTheLowestOfEqualsAndNeverANan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float values[] = {nan, 1, 3, 3, nan};
  EXPECT_EQ(aestus::argmax(values, 5), 2);
  EXPECT_EQ(aestus::argmax(values, 1), 0);
}

TEST(Pool, EveryUnitIsDoneOnceAndExceptionsArrive) {
  aestus::Pool pool(3);
  for (const int64_t units : {0, 1, 16, 17, 1000}) {
    std::vector<int> done(static_cast<size_t>(units));
    pool.run(units, 16, [&](int32_t, aestus::kernels::Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) ++done[static_cast<size_t>(i)];
    });
    EXPECT_EQ(std::count(done.begin(), done.end(), 1), units);
  }
  EXPECT_THROW(pool.run(100, 1, [](int32_t, aestus::kernels::Range) { throw std::bad_alloc(); }),
               std::bad_alloc);
  EXPECT_NO_THROW(pool.run(100, 1, [](int32_t, aestus::kernels::Range) {}));
}

}  // namespace
