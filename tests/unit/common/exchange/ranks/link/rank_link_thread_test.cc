// Random histories in which offers and calls travel between processes: a server and a RankLink for
// each, over unix sockets, whose streams are broken now and then.
//
// SEXTANT_EXPLORE_RUNS sets how many.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/exchange/ranks/conductor_host.h"
#include "common/exchange/ranks/link/rank_link.h"
#include "common/exchange/ranks/link/ranks_service.h"
#include "common/rpc/server.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/common/exchange/ranks/threaded_history.h"

namespace sextant {
namespace {

class GrpcWire final : public RankWire {
 public:
  using Require = std::function<void(const absl::Status&)>;

  GrpcWire(std::string folder, int process, StepGate& gate, Require require)
      : folder_(std::move(folder)),
        require_(std::move(require)),
        host_(kThreadedLimits),
        service_(host_),
        link_({.on_trouble = [this](const RankTrouble& trouble) { OnTrouble(trouble); },
               .first_retry = absl::Milliseconds(1),
               .longest_retry = absl::Milliseconds(20)}) {
    auto server = RpcServer::Start({.listen = {TargetOf(process)}, .services = {&service_}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    link_.Use(gate);
  }

  void Send(const StepOffer& offer) override {
    link_.Send(offer);
    if (++sent_ % kSendsToABreak == 0) link_.BreakStreams();
  }
  void Conduct(std::uint64_t epoch, const RankLayout& layout) override {
    host_.Conduct(epoch, layout, "");
  }
  void Prepare(std::uint64_t epoch, int rank, int conductor) override {
    link_.Prepare(epoch, rank, TargetOf(conductor));
  }
  void Switch(std::uint64_t epoch, std::uint64_t next) override { host_.Switch(epoch, next); }
  void EndBefore(std::uint64_t next) override {
    host_.EndBefore(next);
    link_.EndBefore(next);
  }
  void Break() override { link_.BreakStreams(); }
  void Stop() override {
    link_.Stop();
    server_->Shutdown(absl::ZeroDuration());
  }

 private:
  [[nodiscard]] std::string TargetOf(int process) const {
    return absl::StrCat("unix:", folder_, "/", process, ".sock");
  }
  void OnTrouble(const RankTrouble& trouble) {
    // Its conductor may have heard before this process that the epoch is over.
    if (trouble.retried || absl::IsFailedPrecondition(trouble.status)) return;
    require_(trouble.status);
  }

  static constexpr int kSendsToABreak = 5;

  const std::string folder_;
  const Require require_;
  int sent_ = 0;  // the engine thread's
  ConductorHost host_;
  RanksService service_;
  std::unique_ptr<RpcServer> server_;
  RankLink link_;
};

TEST(RankLinkThreadTest, AllRowsAreComputedWhateverHappens) {
  const TempDir sockets;
  RunThreadedHistories(200, [&sockets](std::uint64_t seed) {
    const std::string folder = sockets.File(absl::StrCat(seed));
    std::filesystem::create_directory(folder);
    return [folder](int process, StepGate& gate, auto require) {
      return std::make_unique<GrpcWire>(folder, process, gate, std::move(require));
    };
  });
}

}  // namespace
}  // namespace sextant
