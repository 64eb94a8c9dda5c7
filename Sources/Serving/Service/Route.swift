import Support

/// An address that is served.
enum Route: Equatable {
  case page
  case health
  case metrics
  case models
  case model(String)
  case chat
  case completions
  case responses
  case load
  case unload
  case adapters
  case adapter(String)
  case tokenize
  case detokenize

  private static let fixed: [(String, Route)] = [
    ("/", .page), ("/health", .health), ("/metrics", .metrics), ("/v1/models", .models),
    ("/v1/chat/completions", .chat), ("/v1/completions", .completions), ("/v1/responses", .responses),
    ("/v1/load_lora_adapter", .load), ("/v1/unload_lora_adapter", .unload),
    ("/v1/adapters", .adapters), ("/tokenize", .tokenize),
    ("/detokenize", .detokenize),
  ]

  init?(path: String) {
    if let found = Self.fixed.first(where: { $0.0.isSame(as: path) }) {
      self = found.1
      return
    }
    for (prefix, route) in [("/v1/models/", Route.model), ("/v1/adapters/", Route.adapter)]
    where path.utf8.starts(with: prefix.utf8) {
      guard let name = Self.name(path.utf8.dropFirst(prefix.utf8.count)) else { return nil }
      self = route(name)
      return
    }
    return nil
  }

  /// A name with its percent signs resolved; nil for one that is empty, damaged or no UTF-8.
  private static func name(_ escaped: Substring.UTF8View) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(escaped)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2).map { Character(UnicodeScalar($0)).hexDigitValue }
      guard digits.count == 2, let high = digits[0], let low = digits[1] else { return nil }
      bytes.append(UInt8(high << 4 | low))
      rest = rest.dropFirst(2)
    }
    return bytes.isEmpty ? nil : String(validating: bytes, as: UTF8.self)
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
    case .responses: "/v1/responses"
    case .load: "/v1/load_lora_adapter"
    case .unload: "/v1/unload_lora_adapter"
    case .adapters: "/v1/adapters"
    case .adapter: "/v1/adapters/{adapter}"
    case .tokenize: "/tokenize"
    case .detokenize: "/detokenize"
    }
  }

  /// The methods that it answers, besides OPTIONS.
  var methods: [String] {
    switch self {
    case .page, .health, .metrics, .models, .model, .adapters: ["GET", "HEAD"]
    case .adapter: ["PUT", "DELETE"]
    default: ["POST"]
    }
  }

  /// Whether the server's key is asked for. The page holds no secret, and asks the user for the key.
  var needsKey: Bool { self != .page && self != .health }
}
