import ModelFiles

extension AdapterArchive {
  /// Writes the archive in another program's format, whole or not at all. Refuses
  /// what the format cannot represent before it writes anything.
  ///
  /// - Parameters:
  ///   - format: PEFT and MLX make a directory, GGUF a file. For `.tina` see ``TinaWriter``.
  ///   - path: an existing file, or a directory with nothing but such files, is replaced in one step.
  ///   - base: the base's architecture. GGUF needs it, with the heads for Llama. Nil: that of the archive's own
  ///     base.
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

  /// The changes to the mathematics that a PEFT configuration states and the entries do not.
  func mathematicalObstacles(file: String) -> [AdapterError.Violation] {
    guard let settings = peftSettings(file: file) else { return [] }
    return settings.obstacles.filter { violation in
      switch violation.kind {
      // The entries show DoRA by its magnitudes, and replaced modules.
      case .unsupported(let feature): !["use_dora", "modules_to_save", "bias", "lora_bias"].contains(feature)
      case .unknownKey: true
      default: false
      }
    }
  }
}
