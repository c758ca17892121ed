// The messages of the Inference service from the router's domain.
#pragma once

#include <string>

#include "proto/sextant/v1/inference.pb.h"
#include "router/generation/piece.h"

namespace sextant::router {

// Fills an empty message.
void WritePiece(const std::string& request_id, const Piece& piece, v1::GenerateResponse& message);

}  // namespace sextant::router
