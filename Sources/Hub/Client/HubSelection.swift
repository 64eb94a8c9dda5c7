import ModelFiles
import Support

/// What is wanted of a repository.
public enum HubWant: Sendable, Equatable {
  /// A model to run: configuration, tokenizer and weights; or one GGUF file.
  case model
  /// An adapter.
  case adapter
  /// Whatever it is, a model or an adapter.
  case either
  /// A model's configuration and tokenizer without its weights.
  case description
  /// Everything.
  case all
}

/// Which files of a folder are fetched, and which are not.
struct HubSelection {
  /// What is fetched.
  private(set) var files: [HubFile] = []
  /// What is left out.
  private(set) var skipped: [HubFile] = []
  /// The one file that is the model or adapter; nil if the folder is.
  private(set) var single: HubFile?
  /// Whether an adapter is among it.
  private(set) var hasAdapter = false
  /// Whether a model is among it.
  private(set) var hasModel = false

  /// Files that a model may lack.
  static let optionalNames = [
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
  ]
  private static let adapterNames = [
    "adapter_config.json", "adapter_model.safetensors", "adapter_model.safetensors.index.json",
    "adapters.safetensors",
  ]
  /// Texts beyond that size are data, not settings; tokenizers have up to some tens of megabytes.
  private static let textLimit = 64 << 20
  private static let pickleEndings = [".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"]

  /// Chooses from a folder's list.
  ///
  /// - Parameters:
  ///   - listing: the folder, or for a file's name the folder that it is in.
  ///   - include: patterns of further files.
  ///   - exclude: patterns of files to leave out.
  /// - Throws: ``HubError`` that tells what is there if nothing of it is wanted.
  init(
    _ listing: HubListing, of name: HubName, want: HubWant, include: [String] = [], exclude: [String] = []
  ) throws(HubError) {
    let inFolder = listing.files.filter { Self.isDirectly($0, in: name, listing) }
    var chosen: Set<String> = []
    func choose(_ files: [HubFile]) { for file in files { chosen.insert(file.path) } }

    if let file = listing.files.first(where: { !name.path.isEmpty && $0.path == name.path }) {
      choose(try chooseFile(file, listing, want))
    } else if want == .all {
      choose(listing.files)
      hasAdapter = inFolder.contains { $0.name == "adapter_config.json" }
    } else if include.isEmpty || want != .either {
      try chooseFolder(inFolder, listing, name, want, choose)
    }
    if !include.isEmpty {
      let wanted = listing.files.filter { file in include.contains { Self.matches($0, file) } }
      guard !wanted.isEmpty else {
        throw HubError(
          .nothingWanted, file: "\(name)",
          found: "no file that fits " + include.map(quoted).joined(separator: " or "),
          expected: "one or more", advice: "There is " + Self.sample(listing) + ".")
      }
      choose(wanted)
    }
    files = listing.files.filter { file in
      chosen.contains(file.path) && !exclude.contains { Self.matches($0, file) }
    }
    let kept = Set(files.map(\.path))
    skipped = single == nil || want == .all ? listing.files.filter { !kept.contains($0.path) } : []
    hasAdapter = hasAdapter && files.contains { $0.name == "adapter_config.json" }
  }

  private static func isDirectly(_ file: HubFile, in name: HubName, _ listing: HubListing) -> Bool {
    let prefix = name.path.isEmpty ? "" : name.path + "/"
    return file.path.hasPrefix(prefix) && !file.path.dropFirst(prefix.count).contains("/")
  }

  /// A file that was named, and what must stand beside it.
  private mutating func chooseFile(
    _ file: HubFile, _ listing: HubListing, _ want: HubWant
  ) throws(HubError) -> [HubFile] {
    single = file
    guard file.name.hasSuffix(".safetensors"), want != .all else {
      hasModel = file.name.hasSuffix(".gguf")
      return [file]
    }
    // An adapter's matrices need their configuration.
    let folder = file.path.dropLast(file.name.utf8.count)
    let config = listing.files.first { $0.path == folder + "adapter_config.json" }
    hasAdapter = config != nil
    return [file] + [config].compactMap(\.self)
  }

  private mutating func chooseFolder(
    _ files: [HubFile], _ listing: HubListing, _ name: HubName, _ want: HubWant, _ choose: ([HubFile]) -> Void
  ) throws(HubError) {
    func named(_ names: [String]) -> [HubFile] { files.filter { names.contains($0.name) } }
    let weights = Self.weights(files)
    let adapterWeights = files.filter {
      $0.name == "adapter_model.safetensors" || $0.name == "adapters.safetensors"
        || $0.name == "adapter_model.safetensors.index.json"
    }
    let tina = files.filter { $0.name.hasSuffix(".tina") }
    let ggufs = files.filter { $0.name.hasSuffix(".gguf") }
    let hasConfig = !named(["config.json"]).isEmpty
    let isAdapter = !named(["adapter_config.json"]).isEmpty && !adapterWeights.isEmpty

    if want == .description {
      let texts = hasConfig ? files.filter(Self.isSetting) : named(Self.optionalNames)
      guard !texts.isEmpty else { throw Self.nothing(listing, files, name, "config.json or tokenizer.json") }
      choose(texts)
      return
    }
    if want != .adapter, hasConfig, !weights.isEmpty {
      hasModel = true
      choose(files.filter(Self.isSetting) + weights)
    }
    if want != .model, isAdapter {
      hasAdapter = true
      // The trainer's copies of the tokenizer beside an adapter are not needed: the base has it.
      choose(named(Self.adapterNames))
      choose(files.filter { Self.isShard($0.name, of: "adapter_model") || Self.isReadme($0) })
    }
    if hasModel || hasAdapter { return }
    if want != .model, tina.count == 1 {
      single = tina[0]
    } else if tina.isEmpty || want == .model, ggufs.count == 1 {
      single = ggufs[0]
      hasModel = want != .adapter
    }
    guard let single else {
      if want == .model, isAdapter {
        throw HubError(
          .nothingWanted, file: "\(name)", found: "an adapter without its base", expected: "a model",
          advice: "Name its base as the model, and this as the adapter (--adapter).")
      }
      if want == .adapter, hasModel || (hasConfig && !weights.isEmpty) {
        throw HubError(
          .nothingWanted, file: "\(name)", found: "a whole model", expected: "an adapter",
          advice: "Name it as the model.")
      }
      let several = want != .model && tina.count > 1 ? tina : ggufs
      if several.count > 1 { throw Self.choice(several, name) }
      throw Self.nothing(listing, files, name, want == .adapter ? "an adapter" : "a model or an adapter")
    }
    choose([single] + files.filter(Self.isReadme))
  }

  /// A model's weights: one file, or shards with their index.
  private static func weights(_ files: [HubFile]) -> [HubFile] {
    let one = files.filter { $0.name == "model.safetensors" }
    if !one.isEmpty { return one }
    let shards = files.filter { isShard($0.name, of: "model") }
    let index = files.filter { $0.name == "model.safetensors.index.json" }
    return shards.isEmpty || index.isEmpty ? [] : shards + index
  }

  /// `model-00001-of-00002.safetensors`.
  static func isShard(_ name: String, of stem: String) -> Bool {
    guard name.hasPrefix(stem + "-"), name.hasSuffix(".safetensors") else { return false }
    let middle = name.dropFirst(stem.count + 1).dropLast(12).split(separator: "-")
    return middle.count == 3 && middle[1] == "of"
      && [middle[0], middle[2]].allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
  }

  /// Whether a file holds settings, a tokenizer or a description: small, and used by programs that run the model.
  private static func isSetting(_ file: HubFile) -> Bool {
    guard file.size <= textLimit else { return false }
    if isReadme(file) { return true }
    if file.name.hasSuffix(".safetensors.index.json") { return file.name == "model.safetensors.index.json" }
    return [".json", ".jinja", ".txt", ".model", ".tiktoken"].contains { file.name.hasSuffix($0) }
  }

  private static func isReadme(_ file: HubFile) -> Bool {
    ["README.md", "LICENSE", "LICENSE.txt", "LICENSE.md"].contains(file.name) && file.size <= 4 << 20
  }

  /// Whether a file is a Python pickle by its name.
  static func isPickle(_ file: HubFile) -> Bool { pickleEndings.contains { file.name.hasSuffix($0) } }

  private static func choice(_ files: [HubFile], _ name: HubName) -> HubError {
    let list = files.prefix(12).map { "\($0.name) (\(byteText($0.size)))" }.joined(separator: ", ")
    return HubError(
      .nothingWanted, file: "\(name)",
      found: "\(files.count) files of which one would do: \(list)\(files.count > 12 ? ", …" : "")",
      expected: "one of them", advice: "Name it: \(name.repository)/\(files[0].path).")
  }

  private static func nothing(
    _ listing: HubListing, _ files: [HubFile], _ name: HubName, _ wanted: String
  ) -> HubError {
    let checkpoints = listing.folders.filter { folder in
      let last = folder.split(separator: "/").last ?? ""
      return last.hasPrefix("checkpoint-") || last.hasPrefix("step")
    }
    if let last = checkpoints.max(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) }) {
      let list = checkpoints.map { $0.split(separator: "/").last.map(String.init) ?? $0 }
        .sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
      return HubError(
        .nothingWanted, file: "\(name)",
        found: "\(checkpoints.count) checkpoints: \(list.prefix(40).joined(separator: ", "))",
        expected: "one of them", advice: "Name it: \(name.repository)/\(last).")
    }
    let pickles = files.filter(isPickle)
    if let pickle = pickles.first {
      return HubError(
        .nothingWanted, file: "\(name)", found: "weights as Python pickles alone (\(pickle.name))",
        expected: wanted,
        advice: "Pickles can run code and are not read: look for a repository or revision with safetensors"
          + " (the hub offers a conversion as a pull request: \(name.repository)@refs/pr/N).")
    }
    return HubError(
      .nothingWanted, file: "\(name)", found: sample(listing), expected: wanted,
      advice: "Name a folder or a file of it, or fetch everything with tina pull --all.")
  }

  private static func sample(_ listing: HubListing) -> String {
    let names = listing.folders.map { $0 + "/" } + listing.files.map(\.path)
    if names.isEmpty { return "nothing at all" }
    return names.prefix(8).map { quoted($0) }.joined(separator: ", ")
      + (names.count > 8 ? " and \(names.count - 8) more" : "")
  }

  /// Whether a pattern with `*` and `?` fits a path, or the name after its last slash.
  static func matches(_ pattern: String, _ file: HubFile) -> Bool {
    matches(Array(pattern.utf8), Array(file.path.utf8)) || matches(Array(pattern.utf8), Array(file.name.utf8))
  }

  /// Takes time of the product of both lengths at most.
  private static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
    var p = 0
    var t = 0
    var star: (p: Int, t: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
        star = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
        p += 1
        t += 1
      } else if let last = star {
        star = (last.p, last.t + 1)
        p = last.p + 1
        t = last.t + 1
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
