#include "tests/chaos/faulty_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/status.h"

namespace sextant::chaos {
namespace {

constexpr char kOwnSpace[] = "/proc/thread-self/ns/net";
constexpr std::size_t kLargestPacket = 65536;
constexpr std::size_t kHeaderBytes = 20;      // of IPv4 (RFC 791)
constexpr std::size_t kLastAddressByte = 19;  // of the destination
constexpr std::size_t kMostPackets = 100'000;

absl::Status NotPermitted(const char* what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status Broken(const char* what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

ifreq RequestFor(const char* device) {
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  return request;
}

absl::Status BringUp(int socket, const char* device) {
  ifreq request = RequestFor(device);
  if (ioctl(socket, SIOCGIFFLAGS, &request) != 0) return Broken("flags of a device");
  request.ifr_flags = static_cast<std::int16_t>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  if (ioctl(socket, SIOCSIFFLAGS, &request) != 0) return Broken("starting a device");
  return absl::OkStatus();
}

absl::Status Address(int socket, const char* device, unsigned long what, const std::string& text) {
  ifreq request = RequestFor(device);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  CHECK_EQ(inet_pton(AF_INET, text.c_str(), &address.sin_addr), 1);
  std::memcpy(&request.ifr_addr, &address, sizeof(address));
  if (ioctl(socket, what, &request) != 0) return Broken("the address of a device");
  return absl::OkStatus();
}

// In the calling thread's namespace, which is new: its loopback and the device of the wire.
absl::Status SetUpDevices(int wire, const std::string& address) {
  ifreq request = RequestFor("wire0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(wire, TUNSETIFF, &request) != 0) return Broken("a TUN device");
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return Broken("a socket");
  absl::Status status = BringUp(socket, "lo");
  if (status.ok()) status = Address(socket, "wire0", SIOCSIFADDR, address);
  if (status.ok()) status = Address(socket, "wire0", SIOCSIFNETMASK, "255.255.255.0");
  if (status.ok()) status = BringUp(socket, "wire0");
  close(socket);
  return status;
}

}  // namespace

std::string FaultyNetwork::AddressOf(int host) { return absl::StrCat("10.77.0.", host + 1); }

absl::StatusOr<std::unique_ptr<FaultyNetwork>> FaultyNetwork::Create(int hosts) {
  std::unique_ptr<FaultyNetwork> network(new FaultyNetwork());
  for (int i = 0; i < hosts; ++i) RETURN_IF_ERROR(network->AddHost());
  network->stop_ = eventfd(0, EFD_CLOEXEC);
  network->thread_ = std::thread([raw = network.get()] { raw->Carry(); });
  return network;
}

absl::Status FaultyNetwork::AddHost() {
  const std::string address = AddressOf(static_cast<int>(hosts_.size()));
  Host& host = hosts_.emplace_back();
  const int before = open(kOwnSpace, O_RDONLY | O_CLOEXEC);
  if (before < 0) return NotPermitted(kOwnSpace);
  absl::Status status;
  if (unshare(CLONE_NEWNET) != 0) {
    status = NotPermitted("a network namespace");
  } else {
    host.space = open(kOwnSpace, O_RDONLY | O_CLOEXEC);
    // Opened here, it makes its device in the new namespace.
    host.wire = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    status = host.wire < 0 ? NotPermitted("/dev/net/tun") : SetUpDevices(host.wire, address);
    CHECK_EQ(setns(before, CLONE_NEWNET), 0);
  }
  close(before);
  return status;
}

FaultyNetwork::~FaultyNetwork() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    CHECK_EQ(write(stop_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    thread_.join();
  }
  if (stop_ >= 0) close(stop_);
  for (const Host& host : hosts_) {
    if (host.space >= 0) close(host.space);
    if (host.wire >= 0) close(host.wire);
  }
}

void FaultyNetwork::Enter(int host) {
  CHECK_EQ(setns(hosts_.at(static_cast<std::size_t>(host)).space, CLONE_NEWNET), 0);
}

void FaultyNetwork::Within(int host, absl::FunctionRef<void()> body) {
  const int before = open(kOwnSpace, O_RDONLY | O_CLOEXEC);
  CHECK_GE(before, 0);
  Enter(host);
  body();
  CHECK_EQ(setns(before, CLONE_NEWNET), 0);
  close(before);
}

void FaultyNetwork::SetFaults(const Faults& faults) {
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_ = faults;
}

void FaultyNetwork::Cut(int a, int b) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cut_.insert({a, b});
  cut_.insert({b, a});
}

void FaultyNetwork::CutOff(int host) {
  for (int other = 0; other < static_cast<int>(hosts_.size()); ++other) {
    if (other != host) Cut(host, other);
  }
}

void FaultyNetwork::Heal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cut_.clear();
}

void FaultyNetwork::Carry() {
  std::vector<pollfd> waited;
  for (const Host& host : hosts_)
    waited.push_back({.fd = host.wire, .events = POLLIN, .revents = 0});
  waited.push_back({.fd = stop_, .events = POLLIN, .revents = 0});
  while (true) {
    int wait = -1;
    if (!under_way_.empty()) {
      const auto left = under_way_.begin()->first - std::chrono::steady_clock::now();
      wait = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
      if (wait < 0) wait = 0;
    }
    if (poll(waited.data(), waited.size(), wait) < 0 && errno != EINTR) return;
    if ((waited.back().revents & POLLIN) != 0) return;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if ((waited[i].revents & POLLIN) != 0) Read(static_cast<int>(i));
    }
    DeliverDue();
  }
}

void FaultyNetwork::Read(int from) {
  std::array<char, kLargestPacket> bytes;
  const int wire = hosts_[static_cast<std::size_t>(from)].wire;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (ssize_t size = 0; (size = read(wire, bytes.data(), bytes.size())) > 0;) {
    const auto length = static_cast<std::size_t>(size);
    if (length < kHeaderBytes || (bytes[0] >> 4) != 4) continue;
    const int to = static_cast<unsigned char>(bytes[kLastAddressByte]) - 1;
    if (to < 0 || to >= static_cast<int>(hosts_.size()) || cut_.contains({from, to})) continue;
    if (std::bernoulli_distribution(faults_.loss)(random_)) continue;
    if (under_way_.size() >= kMostPackets) continue;
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    const auto late = absl::ToChronoNanoseconds(faults_.delay + share * faults_.jitter);
    under_way_.emplace(std::chrono::steady_clock::now() + late,
                       Packet{.to = to, .bytes = {bytes.data(), length}});
  }
}

void FaultyNetwork::DeliverDue() {
  const SteadyTime now = std::chrono::steady_clock::now();
  while (!under_way_.empty() && under_way_.begin()->first <= now) {
    const Packet& packet = under_way_.begin()->second;
    // A device whose queue is full loses packets, as any does.
    static_cast<void>(write(hosts_[static_cast<std::size_t>(packet.to)].wire, packet.bytes.data(),
                            packet.bytes.size()) < 0);
    under_way_.erase(under_way_.begin());
  }
}

}  // namespace sextant::chaos
