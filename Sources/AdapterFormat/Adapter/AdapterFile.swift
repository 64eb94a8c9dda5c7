public import ModelFiles

/// The formats that adapters come in.
public enum AdapterFileFormat: String, Sendable, CaseIterable {
  /// Tina's own: one file.
  case tina
  /// PEFT's directory.
  case peft
  /// One file for llama.cpp.
  case gguf
  /// mlx-lm's directory.
  case mlx

  /// The format's usual name.
  public var title: String {
    switch self {
    case .tina: ".tina"
    case .peft: "PEFT"
    case .gguf: "GGUF"
    case .mlx: "MLX"
    }
  }
}

/// The contents of an adapter's file or directory, and the reasons against applying it.
public struct AdapterFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The format, recognised by the contents.
  public let format: AdapterFileFormat
  /// Everything that it holds.
  public var archive: AdapterArchive {
    didSet {
      if archive.configuration != oldValue.configuration { peft = archive.peftSettings(file: path) }
    }
  }
  /// What the configuration says, if it is PEFT's.
  private(set) var peft: PEFTSettings?
  /// The files that were read.
  public let files: [String]
  /// The configuration's reasons against applying it. ``Adapter`` judges the entries.
  public let obstacles: [AdapterError.Violation]
  /// Remarks for its user, one sentence each.
  public let notes: [String]

  /// Reads an adapter of any format, recognised by its contents. Its bytes are copied: the files may change afterwards.
  ///
  /// - Parameters:
  ///   - path: a `.tina` or GGUF file; a PEFT or MLX directory, or the safetensors file in one.
  ///   - layers: how many quality layers of a `.tina` file are read; all unless given.
  ///   - base: the base's architecture, for formats that need it.
  ///   - isTrusted: leaves the digests of plainly stored tensors of a `.tina` file uncompared.
  /// - Throws: ``AdapterError`` with everything that makes it unreadable, or not what its digests say.
  public init(
    path: String, layers: Int? = nil, base: BaseArchitecture? = nil, isTrusted: Bool = false
  ) throws(AdapterError) {
    let reading = try AdapterReading(path: path, layers: layers, base: base, isTrusted: isTrusted)
    guard reading.faults.isEmpty else { throw AdapterError(path: path, violations: reading.faults) }
    self.init(path: path, reading)
  }

  /// Throws if a file was changed that was too large to be copied.
  ///
  /// - Throws: ``AdapterError`` naming the file.
  public func checkUnchanged() throws(AdapterError) {
    do throws(ModelFilesError) {
      for file in WeightFiles.files(of: archive.entries.flatMap(\.tensors)) { try file.checkUnchanged() }
    } catch {
      throw AdapterError(path: path, violations: [.init(error)])
    }
  }

  init(path: String, _ reading: AdapterReading) {
    self.path = path
    format = reading.format
    archive = reading.archive
    peft = reading.peft ?? reading.archive.peftSettings(file: path)
    files = reading.files
    obstacles = reading.obstacles
    notes = reading.notes
  }
}

/// An adapter as far as it is readable.
struct AdapterReading {
  let format: AdapterFileFormat
  var archive: AdapterArchive
  /// What the configuration says, if the format is PEFT.
  var peft: PEFTSettings?
  var files: [String]
  /// What makes it unreadable.
  var faults: [AdapterError.Violation] = []
  /// What prevents applying it, but not reading it.
  var obstacles: [AdapterError.Violation] = []
  var notes: [String] = []

  init(
    format: AdapterFileFormat, archive: AdapterArchive = AdapterArchive(entries: []), files: [String]
  ) {
    self.format = format
    self.archive = archive
    self.files = files
  }

  /// Reads what is at a path. Lists faults, and throws if it finds no adapter.
  init(path: String, layers: Int?, base: BaseArchitecture?, isTrusted: Bool) throws(AdapterError) {
    let place = try AdapterPlace(path: path)
    if let layers, place.format != .tina {
      throw AdapterError(
        path: path,
        violations: [
          .init(
            .unsupported("layers"), file: path,
            found: "\(layers) quality layers asked of a \(place.format.title) adapter",
            expected: "a .tina file", advice: "Leave :layers out, or convert the adapter to .tina.")
        ])
    }
    switch place.format {
    case .peft: self = PEFTReader(place).read()
    case .mlx: self = MLXReader(place).read()
    case .gguf:
      do throws(ModelFilesError) {
        self = try GGUFAdapterReader(
          file: GGUFFile(path: place.weights ?? path, .copied), base: base
        ).read()
      } catch {
        throw AdapterError(path: path, violations: [.init(error)])
      }
    case .tina:
      let file = try TinaFile(path: place.weights ?? path, layers: layers, .copied)
      self.init(format: .tina, archive: try file.archive(isTrusted: isTrusted), files: [file.path])
      if file.layerCount < file.layers.count, let last = file.layers.prefix(file.layerCount).last {
        notes.append(
          "\(file.path): \(file.layerCount) of \(file.layers.count) quality layers are used; the relative error"
            + " of ΔW is \(last.totalError).")
      }
    }
  }
}
