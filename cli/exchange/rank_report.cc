#include "cli/exchange/rank_report.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace sextant::cli {
namespace {

nlohmann::json ToJson(const GroupBytes& bytes) {
  return {{"sent", bytes.sent}, {"received", bytes.received}, {"kept", bytes.kept}};
}

GroupBytes BytesFrom(const nlohmann::json& json) {
  return {.sent = json.at("sent"), .received = json.at("received"), .kept = json.at("kept")};
}

nlohmann::json ToJson(const CaseOfRank& measured) {
  nlohmann::json ways = nlohmann::json::array();
  for (const WayTimes& times : measured.ways) {
    ways.push_back({{"dispatch_s", times.dispatch_s},
                    {"combine_s", times.combine_s},
                    {"layer_s", times.layer_s}});
  }
  return {{"slots", measured.of.form == RankStepForm::kSlots},
          {"rows", measured.of.rows},
          {"dispatch", ToJson(measured.dispatch)},
          {"combine", ToJson(measured.combine)},
          {"ways", std::move(ways)}};
}

CaseOfRank CaseFrom(const nlohmann::json& json) {
  CaseOfRank measured{
      .of = {.form = json.at("slots").get<bool>() ? RankStepForm::kSlots : RankStepForm::kExact,
             .rows = json.at("rows")},
      .dispatch = BytesFrom(json.at("dispatch")),
      .combine = BytesFrom(json.at("combine")),
      .ways = {}};
  for (std::size_t way = 0; way < measured.ways.size(); ++way) {
    const nlohmann::json& times = json.at("ways").at(way);
    measured.ways[way] = {.dispatch_s = times.at("dispatch_s").get<std::vector<double>>(),
                          .combine_s = times.at("combine_s").get<std::vector<double>>(),
                          .layer_s = times.at("layer_s").get<std::vector<double>>()};
  }
  return measured;
}

}  // namespace

std::string RankReportAsJson(const absl::StatusOr<RankReport>& report) {
  if (!report.ok()) {
    const nlohmann::json error = {{"code", report.status().raw_code()},
                                  {"error", std::string(report.status().message())}};
    return error.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  nlohmann::json cases = nlohmann::json::array();
  for (const CaseOfRank& measured : report->cases) cases.push_back(ToJson(measured));
  const nlohmann::json object = {{"gpu", report->gpu}, {"cases", std::move(cases)}};
  return object.dump();
}

absl::StatusOr<RankReport> ParseRankReport(absl::string_view json) {
  try {
    const nlohmann::json object = nlohmann::json::parse(json.begin(), json.end());
    if (object.contains("error")) {
      return absl::Status(static_cast<absl::StatusCode>(object.at("code").get<int>()),
                          object.at("error").get<std::string>());
    }
    RankReport report{.gpu = object.at("gpu"), .cases = {}};
    for (const nlohmann::json& measured : object.at("cases")) {
      report.cases.push_back(CaseFrom(measured));
    }
    return report;
  } catch (const nlohmann::json::exception& error) {
    return absl::InternalError(absl::StrCat("no report of a rank: ", error.what()));
  }
}

absl::Status WriteRankReport(const std::string& path, const absl::StatusOr<RankReport>& report) {
  std::ofstream file(path, std::ios::binary);
  file << RankReportAsJson(report);
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, " cannot be written: ", std::strerror(errno)));
}

absl::StatusOr<RankReport> ReadRankReport(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return absl::InternalError("it has left no report");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return ParseRankReport(text);
}

}  // namespace sextant::cli
