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

  /// The module's name inside its layer in a GGUF file.
  package var ggufName: String {
    switch self {
    case .q: "attn_q"
    case .k: "attn_k"
    case .v: "attn_v"
    case .o: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    }
  }

  /// The maps of the attention.
  package static let attention: Set<Projection> = [.q, .k, .v, .o]

  /// The maps of the MLP.
  package static let mlp: Set<Projection> = [.gate, .up, .down]

  /// The last part of the path, which recipes and `target_modules` use: `q_proj`.
  package var name: String { String(path.drop { $0 != "." }.dropFirst()) }

  /// The module's whole name: `layers.3.self_attn.q_proj`.
  package func module(layer: Int) -> String { "layers.\(layer)." + path }

  /// `[out, in]` of this map under `config`.
  package func shape(_ config: Architecture) -> (out: Int, input: Int) {
    switch self {
    case .q: (config.queryWidth, config.hiddenSize)
    case .k, .v: (config.keyWidth, config.hiddenSize)
    case .o: (config.hiddenSize, config.queryWidth)
    case .gate, .up: (config.intermediateSize, config.hiddenSize)
    case .down: (config.hiddenSize, config.intermediateSize)
    }
  }
}
