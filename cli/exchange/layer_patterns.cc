#include "cli/exchange/layer_patterns.h"

#include "common/base/status.h"

namespace sextant::cli {

absl::Status StepGraphs::Launch(Detail detail, absl::FunctionRef<absl::Status()> step) {
  constexpr absl::string_view kWhat = "a step of the bench";
  auto found = graphs_.find(detail);
  if (found == graphs_.end()) {
    ASSIGN_OR_RETURN(GpuGraph graph, CaptureGraph(stream_, kWhat, step));
    found = graphs_.emplace(detail, std::move(graph)).first;
  }
  return ToStatus(stream_.gpu().Launch(stream_.handle(), found->second.handle()), kWhat);
}

absl::Status ExchangePattern::Step(Detail detail) {
  parts_.clock.Use(detail);
  const bool slots = parts_.form == RankStepForm::kSlots;
  ASSIGN_OR_RETURN(const DeviceStepForm form,
                   parts_.exchange.Begin({.rows = parts_.rows.tokens, .may_be_graph = slots}));
  if (form.captured != slots) return absl::InternalError("a step was begun in another form");
  if (slots) {
    RETURN_IF_ERROR(graphs_.Launch(detail, [this] { return PutLayers(); }));
  } else {
    RETURN_IF_ERROR(PutLayers());
  }
  RETURN_IF_ERROR(parts_.exchange.End(parts_.stream.handle()));
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  return parts_.exchange.Confirm();
}

absl::Status ExchangePattern::PutLayers() {
  const DeviceStream stream = parts_.stream.handle();
  DeviceDispatch rows = parts_.rows;
  for (rows.layer = 0; rows.layer < parts_.clock.layers(); ++rows.layer) {
    const auto note = [this, layer = rows.layer](DeviceStream on) {
      return parts_.clock.NoteRows(on, layer);
    };
    if (parts_.host != nullptr) parts_.host->OnRows(note);
    RETURN_IF_ERROR(parts_.exchange.Dispatch(stream, rows));
    if (parts_.host == nullptr) RETURN_IF_ERROR(note(stream));
    ASSIGN_OR_RETURN(outputs_, parts_.exchange.Collect(stream));
    RETURN_IF_ERROR(parts_.clock.NoteOutputs(stream, rows.layer));
  }
  if (parts_.host != nullptr) parts_.host->OnRows(nullptr);
  return absl::OkStatus();
}

absl::Status ServedPattern::Step(Detail /*detail*/) {
  parts_.conductor.Call(parts_.rows, parts_.form == RankStepForm::kExact);
  ASSIGN_OR_RETURN(const Served served, parts_.exchange.Serve());
  if (served != Served::kStep) return absl::InternalError("a rank was called and took no step");
  // A step that is void is the rank's last one.
  return ToStatus(parts_.communicator.Health(), "a step of the other ranks");
}

absl::Status MessagePattern::Step(Detail detail) {
  parts_.clock.Use(detail);
  if (parts_.form == RankStepForm::kSlots) {
    RETURN_IF_ERROR(graphs_.Launch(detail, [this] { return PutLayers(); }));
  } else {
    RETURN_IF_ERROR(PutLayers());
  }
  RETURN_IF_ERROR(parts_.stream.Synchronize());
  return ToStatus(parts_.communicator.Health(), "plain messages");
}

absl::Status MessagePattern::PutLayers() {
  const DeviceStream stream = parts_.stream.handle();
  const auto put = [&](const LoggedGroup& group) {
    return ToStatus(parts_.communicator.Exchange(stream, group.sends, group.receives),
                    "plain messages");
  };
  for (int layer = 0; layer < parts_.clock.layers(); ++layer) {
    RETURN_IF_ERROR(put(parts_.rows));
    RETURN_IF_ERROR(parts_.clock.NoteRows(stream, layer));
    RETURN_IF_ERROR(put(parts_.outputs));
    RETURN_IF_ERROR(parts_.clock.NoteOutputs(stream, layer));
  }
  return absl::OkStatus();
}

}  // namespace sextant::cli
