package import ModelFiles

/// The seven linear maps of a block that an adapter can change, in the order in which they are stored.
package enum Projection: Int, CaseIterable, Sendable {
  case q, k, v, o, gate, up, down

  /// The module's path inside its layer, as PEFT names it.
  package var path: String {
    switch self {
    case .q: "self_attn.q_proj"
    case .k: "self_attn.k_proj"
    case .v: "self_attn.v_proj"
    case .o: "self_attn.o_proj"
    case .gate: "mlp.gate_proj"
    case .up: "mlp.up_proj"
    case .down: "mlp.down_proj"
    }
  }

  /// The last part of the path, which recipes and `target_modules` use: `q_proj`.
  package var name: String { String(path.drop { $0 != "." }.dropFirst()) }

  /// The module's whole name: `layers.3.self_attn.q_proj`.
  package func module(layer: Int) -> String { "layers.\(layer)." + path }

  /// Whether Qwen2 gives this map a bias.
  package var hasBias: Bool { self == .q || self == .k || self == .v }

  /// `[out, in]` of this map under `config`.
  package func shape(_ config: Qwen2Config) -> (out: Int, input: Int) {
    switch self {
    case .q: (config.queryWidth, config.hiddenSize)
    case .k, .v: (config.keyWidth, config.hiddenSize)
    case .o: (config.hiddenSize, config.queryWidth)
    case .gate, .up: (config.intermediateSize, config.hiddenSize)
    case .down: (config.hiddenSize, config.intermediateSize)
    }
  }
}

extension Qwen2Config {
  /// Width of all query heads together.
  package var queryWidth: Int { headCount * headDim }
  /// Width of all key heads together, and of all value heads.
  package var keyWidth: Int { keyValueHeadCount * headDim }
}
