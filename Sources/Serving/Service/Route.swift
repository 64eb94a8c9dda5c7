import Foundation

/// An address that is served.
enum Route: Equatable {
  case page
  case health
  case metrics
  case models
  case model(String)
  case chat
  case completions
  case load
  case unload
  case tokenize
  case detokenize

  init?(path: String) {
    switch path {
    case "/": self = .page
    case "/health": self = .health
    case "/metrics": self = .metrics
    case "/v1/models": self = .models
    case "/v1/chat/completions": self = .chat
    case "/v1/completions": self = .completions
    case "/v1/load_lora_adapter": self = .load
    case "/v1/unload_lora_adapter": self = .unload
    case "/tokenize": self = .tokenize
    case "/detokenize": self = .detokenize
    default:
      guard path.hasPrefix("/v1/models/"), let name = String(path.dropFirst(11)).removingPercentEncoding,
        !name.isEmpty
      else { return nil }
      self = .model(name)
    }
  }

  /// The route in metrics and logs, without what a client chose.
  var label: String {
    switch self {
    case .page: "/"
    case .health: "/health"
    case .metrics: "/metrics"
    case .models: "/v1/models"
    case .model: "/v1/models/{model}"
    case .chat: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .load: "/v1/load_lora_adapter"
    case .unload: "/v1/unload_lora_adapter"
    case .tokenize: "/tokenize"
    case .detokenize: "/detokenize"
    }
  }

  var method: String {
    switch self {
    case .page, .health, .metrics, .models, .model: "GET"
    default: "POST"
    }
  }

  /// Whether the server's key is asked for. The page holds no secret, and asks the user for the key.
  var needsKey: Bool { self != .page && self != .health }
}
