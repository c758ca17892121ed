#include "common/membership/member.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/version.h"
#include "common/concurrency/bounded_queue.h"
#include "common/membership/held_epochs.h"
#include "common/membership/router_link.h"

namespace sextant {
namespace {

// The coordinator has one epoch under way at a time; more than this is a fault of its own.
constexpr std::size_t kMostCommands = 256;

struct Command {
  std::uint64_t session = 0;
  v1::CoordinatorMessage message;
};

}  // namespace

class Member::Impl {
 public:
  explicit Impl(Options options);
  ~Impl();

  absl::Status AwaitWelcome();
  void Start(MemberRole& role);
  void Leave(absl::Duration grace);
  absl::Status failure() const;
  const std::string& worker_id() const { return options_.hello.worker_id(); }
  const v1::Welcome& welcome() const { return *welcome_; }

 private:
  RouterLink::Callbacks LinkCallbacks();
  v1::Hello CurrentHello() const;
  void OnWelcome(const v1::Welcome& welcome);
  void OnLost(const absl::Status& why, bool was_joined);
  void OnEnded(const absl::Status& status);
  void Supersede(std::uint64_t epoch);
  void Halt(std::uint64_t session, std::uint64_t before);
  void Say(const std::string& line) const;

  void RunRole();
  absl::Status Obey(const Command& command);
  absl::Status Prepare(const Command& command);
  absl::Status Commit(const Command& command);
  absl::Status Retire(const Command& command);

  Options options_;
  std::atomic<MemberRole*> role_ = nullptr;
  BoundedQueue<Command> commands_{kMostCommands};
  std::thread role_thread_;

  mutable std::mutex mutex_;  // guards everything below but link_
  std::condition_variable changed_;
  std::optional<v1::Welcome> welcome_;  // constant once set
  HeldEpochs held_;
  bool lost_ = false;  // and not welcomed again yet
  bool leaving_ = false;
  bool ended_ = false;
  absl::Status failure_;
  absl::Status last_problem_;

  RouterLink link_;
};

Member::Impl::Impl(Options options)
    : options_(std::move(options)), link_(options_.router_target, LinkCallbacks()) {
  v1::Hello& hello = options_.hello;
  if (hello.version().empty()) hello.set_version(Version());
  if (hello.worker_id().empty()) hello.set_worker_id(NewWorkerId(hello.role()));
  // The thread that a program begins with has its process's number.
  if (hello.pid() == 0) hello.set_pid(gettid());
  link_.Start();
}

Member::Impl::~Impl() {
  link_.Stop();
  commands_.Close();
  if (role_thread_.joinable()) role_thread_.join();
}

RouterLink::Callbacks Member::Impl::LinkCallbacks() {
  return {
      .hello = [this] { return CurrentHello(); },
      .welcomed = [this](const v1::Welcome& welcome) { OnWelcome(welcome); },
      .command =
          [this](std::uint64_t session, v1::CoordinatorMessage message) {
            // It overtakes what the role's thread is doing, or has still to do.
            if (message.has_halt()) return Halt(session, message.halt().before());
            if (message.has_prepare()) Supersede(message.prepare().epoch());
            if (commands_.TryPush({.session = session, .message = std::move(message)})) return;
            link_.Drop(session, absl::ResourceExhaustedError(
                                    "the router sends commands faster than they can be obeyed"));
          },
      .fill_heartbeat =
          [this](v1::Heartbeat& beat) {
            role_.load()->FillHeartbeat(beat);
            const std::lock_guard<std::mutex> lock(mutex_);
            beat.set_epoch(held_.committed().epoch());
          },
      .lost = [this](const absl::Status& why, bool was_joined) { OnLost(why, was_joined); },
      .ended = [this](const absl::Status& status) { OnEnded(status); },
  };
}

v1::Hello Member::Impl::CurrentHello() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  v1::Hello hello = options_.hello;
  if (held_.committed().epoch() != 0) *hello.mutable_holding() = held_.committed();
  hello.set_newest_epoch(held_.newest());
  if (welcome_.has_value()) {  // the engine is built: it computes nothing else any more
    hello.clear_numeric_profiles();
    hello.add_numeric_profiles(welcome_->numeric_profile());
  }
  return hello;
}

void Member::Impl::OnWelcome(const v1::Welcome& welcome) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!welcome_.has_value()) welcome_ = welcome;
    lost_ = false;
  }
  changed_.notify_all();
  Say(absl::StrCat("joined the cluster at ", options_.router_target, ", numeric profile ",
                   welcome.numeric_profile()));
}

void Member::Impl::OnLost(const absl::Status& why, bool was_joined) {
  bool news = was_joined;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    news = news || last_problem_.ok();
    last_problem_ = why;
    lost_ = true;
  }
  changed_.notify_all();
  if (!news) return;
  Say(absl::StrCat(was_joined ? "lost the router: " : "cannot join yet: ",
                   std::string(why.message()), "; dialling ", options_.router_target, " again"));
}

void Member::Impl::OnEnded(const absl::Status& status) {
  bool tell = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    failure_ = status;
    tell = welcome_.has_value() && !leaving_;
  }
  changed_.notify_all();
  Say(status.ok() ? "left the cluster"
                  : absl::StrCat("refused by the router: ", std::string(status.message())));
  if (tell && options_.on_ended) options_.on_ended();
}

void Member::Impl::Supersede(std::uint64_t epoch) {
  MemberRole* const role = role_.load();
  if (role != nullptr) role->Supersede(epoch);
}

void Member::Impl::Halt(std::uint64_t session, std::uint64_t before) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_.Halted(before);
  }
  MemberRole* const role = role_.load();
  if (role != nullptr) role->Halt(before);
  v1::WorkerMessage answer;
  answer.mutable_halted()->set_before(before);
  link_.Send(session, std::move(answer));
}

void Member::Impl::Say(const std::string& line) const {
  if (options_.on_event) options_.on_event(line);
}

absl::Status Member::Impl::AwaitWelcome() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.join_timeout),
                    [this] { return welcome_.has_value() || ended_; });
  if (welcome_.has_value()) return absl::OkStatus();
  if (ended_) return failure_.ok() ? absl::UnavailableError("the router said goodbye") : failure_;
  return absl::UnavailableError(absl::StrCat(
      "no router answered at ", options_.router_target, " within ",
      absl::FormatDuration(options_.join_timeout), last_problem_.ok() ? "" : ": ",
      std::string(last_problem_.message()), "; is it running, and is the address right?"));
}

void Member::Impl::Start(MemberRole& role) {
  CHECK(role_.load() == nullptr);
  role_ = &role;
  role_thread_ = std::thread([this] { RunRole(); });
  link_.StartHeartbeats();
}

void Member::Impl::Leave(absl::Duration grace) {
  v1::WorkerMessage message;
  message.mutable_leaving();
  const std::uint64_t session = link_.session();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    leaving_ = true;
    if (session != 0 && role_.load() != nullptr) {
      link_.Send(session, std::move(message));
      changed_.wait_for(lock, absl::ToChronoNanoseconds(grace), [this] { return ended_ || lost_; });
    }
  }
  link_.Stop();
}

absl::Status Member::Impl::failure() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_;
}

void Member::Impl::RunRole() {
  while (std::optional<Command> command = commands_.Pop()) {
    if (command->session != link_.session()) continue;
    if (absl::Status status = Obey(*command); !status.ok()) link_.Drop(command->session, status);
  }
}

absl::Status Member::Impl::Obey(const Command& command) {
  if (command.message.has_prepare()) return Prepare(command);
  if (command.message.has_commit()) return Commit(command);
  return Retire(command);
}

absl::Status Member::Impl::Prepare(const Command& command) {
  const v1::Placement& placement = command.message.prepare();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_.IsOver(placement.epoch())) return absl::OkStatus();
    if (absl::Status status = held_.CheckPrepare(placement.epoch()); !status.ok()) return status;
    held_.Heard(placement.epoch());
  }
  const absl::Status prepared = role_.load()->Prepare(placement);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_.IsOver(placement.epoch())) return absl::OkStatus();  // nobody waits for the answer
    if (prepared.ok()) held_.Prepared(placement);
  }
  v1::WorkerMessage answer;
  answer.mutable_prepared()->set_epoch(placement.epoch());
  if (!prepared.ok()) {
    answer.mutable_prepared()->set_error(std::string(prepared.message()));
    Say(absl::StrCat("cannot prepare epoch ", placement.epoch(), ": ",
                     std::string(prepared.message())));
  }
  link_.Send(command.session, std::move(answer));
  return absl::OkStatus();
}

absl::Status Member::Impl::Commit(const Command& command) {
  const std::uint64_t epoch = command.message.commit().epoch();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_.IsOver(epoch)) return absl::OkStatus();
    if (absl::Status status = held_.CheckCommit(epoch); !status.ok()) return status;
  }
  role_.load()->Commit(epoch);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_.IsOver(epoch)) return absl::OkStatus();
    held_.Committed();
  }
  v1::WorkerMessage answer;
  answer.mutable_committed()->set_epoch(epoch);
  link_.Send(command.session, std::move(answer));
  return absl::OkStatus();
}

absl::Status Member::Impl::Retire(const Command& command) {
  const std::uint64_t epoch = command.message.retire().epoch();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (held_.IsOver(epoch)) return absl::OkStatus();
    if (absl::Status status = held_.CheckRetire(epoch); !status.ok()) return status;
  }
  role_.load()->Retire(epoch);
  v1::WorkerMessage answer;
  answer.mutable_retired()->set_epoch(epoch);
  link_.Send(command.session, std::move(answer));
  return absl::OkStatus();
}

Member::Member(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Member::~Member() = default;

absl::StatusOr<std::unique_ptr<Member>> Member::Join(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (absl::Status status = impl->AwaitWelcome(); !status.ok()) return status;
  return std::unique_ptr<Member>(new Member(std::move(impl)));
}

const std::string& Member::worker_id() const { return impl_->worker_id(); }
const v1::Welcome& Member::welcome() const { return impl_->welcome(); }
void Member::Start(MemberRole& role) { impl_->Start(role); }
void Member::Leave(absl::Duration grace) { impl_->Leave(grace); }
absl::Status Member::failure() const { return impl_->failure(); }

}  // namespace sextant
