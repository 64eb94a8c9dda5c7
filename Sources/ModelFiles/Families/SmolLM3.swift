/// SmolLM3: Llama without rotation in every fourth layer.
enum SmolLM3: Family {
  static let name = "smollm3"
  static let modelTypes = ["smollm3"]
  static let classes = ["SmolLM3ForCausalLM"]
  static let models = "SmolLM3"
  static let isTiedByDefault = true
  static let pairsAreAdjacentInGGUF = true

  static func architecture(_ config: CheckpointConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes(.init(theta: 2_000_000))
    architecture.biases = try config.biases()
    let rotates = try rotatingLayers(config, architecture.layerCount)
    var window: Int?
    if try config.settings.bool("use_sliding_window") ?? false {
      window = try config.settings.integer("sliding_window", 1...(1 << 40))
    }
    let slides = try config.slidingLayers(
      architecture.layerCount, window: window, reason: "use_sliding_window is false or sliding_window null")
    architecture.setWindows((0..<architecture.layerCount).map { slides?[$0] ?? !rotates[$0] ? window : nil })
    architecture.stopRotating(where: rotates)
    return architecture
  }

  /// Which layers rotate: 1 in `no_rope_layers`, which is named after its zeros.
  private static func rotatingLayers(
    _ config: CheckpointConfig, _ layerCount: Int
  ) throws(ModelFilesError) -> [Bool] {
    let settings = config.settings
    guard let list = settings["no_rope_layers"] else {
      let interval = try settings.integer("no_rope_layer_interval", 1...(1 << 20)) ?? 4
      return (0..<layerCount).map { ($0 + 1) % interval != 0 }
    }
    let flags = list.array?.map(\.int)
    guard let flags, flags.count >= layerCount, flags.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw settings.bad(
        "no_rope_layers", expected: "a list of 0 and 1, one for each of \(layerCount) layers")
    }
    return flags.prefix(layerCount).map { $0 == 1 }
  }

  static func architecture(_ config: GGUFConfig) throws(ModelFilesError) -> Architecture {
    var architecture = try config.sizes()
    architecture.biases = config.biases()
    // The format has no key for it; llama.cpp takes every fourth layer too.
    architecture.stopRotating(where: (0..<architecture.layerCount).map { ($0 + 1) % 4 != 0 })
    return architecture
  }
}

extension Architecture {
  /// Leaves the rotary embedding to the layers that are true.
  fileprivate mutating func stopRotating(where rotates: [Bool]) {
    for (layer, rotates) in rotates.enumerated() where !rotates { attention[layer].rotary = nil }
  }
}
