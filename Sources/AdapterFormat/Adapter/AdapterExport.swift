import ModelFiles

extension AdapterArchive {
  /// Writes the archive in another program's format, whole or not at all. What the format cannot represent is
  /// refused before anything is written.
  ///
  /// - Parameters:
  ///   - format: PEFT and MLX make a directory, GGUF a file. For `.tina` see ``TinaWriter``.
  ///   - path: an existing file, or a directory with nothing but such files, is replaced in one step.
  ///   - base: what is known of the base; GGUF needs its architecture, the heads too for Llama. What the archive
  ///     itself knows is used where this is nil.
  /// - Throws: ``AdapterError`` naming everything that the format cannot represent.
  public func export(
    _ format: AdapterFileFormat, to path: String, base: BaseArchitecture? = nil
  ) throws(AdapterError) {
    let base = base ?? self.base.map { BaseArchitecture($0) }
    switch format {
    case .peft: try PEFTWriter.write(self, to: path)
    case .gguf: try GGUFAdapterWriter.write(self, base: base, to: path)
    case .mlx: try MLXWriter.write(self, base: base, to: path)
    case .tina: preconditionFailure("export() of .tina")
    }
  }

  /// What in a PEFT configuration changes the mathematics beyond plain pairs and is not told by the entries.
  func mathematicalObstacles(file: String) -> [AdapterError.Violation] {
    guard let object = peftConfiguration else { return [] }
    let config = PEFTConfig(object, file: file)
    return config.obstacles.filter { violation in
      switch violation.kind {
      // DoRA is told by its magnitudes, and replaced modules by themselves.
      case .unsupported(let feature): !["use_dora", "modules_to_save", "bias", "lora_bias"].contains(feature)
      case .unknownKey: true
      default: false
      }
    }
  }
}
