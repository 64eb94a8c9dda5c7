import Foundation
public import ModelFiles

/// How much of what is wanted the cache holds.
enum HubCached: Equatable {
  /// Everything that is wanted.
  case whole(String)
  /// What is needed; the hub may have more.
  case usable(String)
  /// Not what is needed.
  case nothing
}

extension HubCache {
  /// Looks in the cache alone for what is wanted.
  func look(for name: HubName, want: HubWant) -> HubCached {
    guard let commit = commit(of: name) else { return .nothing }
    let snapshot = snapshot(commit, of: name)
    let path = name.path.isEmpty ? snapshot : snapshot + "/" + name.path
    if Self.size(path) != nil { return file(path) }
    guard Self.isDirectory(path) else { return .nothing }
    switch want {
    case .adapter: return adapter(path)
    case .model: return model(path, name, commit)
    case .description: return description(path, name, commit)
    case .either:
      let adapter = adapter(path)
      return adapter == .nothing ? model(path, name, commit) : adapter
    case .all: return .nothing
    }
  }

  /// A file; a safetensors file of an adapter needs its configuration beside it.
  private func file(_ path: String) -> HubCached {
    guard path.hasSuffix("adapter_model.safetensors") || path.hasSuffix("adapters.safetensors") else {
      return .whole(path)
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    return Self.exists(folder + "/adapter_config.json") ? .whole(path) : .nothing
  }

  private func adapter(_ folder: String) -> HubCached {
    if Self.exists(folder + "/adapter_config.json") {
      let isThere =
        ["adapter_model.safetensors", "adapters.safetensors"].contains { Self.exists(folder + "/" + $0) }
        || hasShards(folder, "adapter_model.safetensors.index.json")
      if isThere { return .whole(folder) }
    }
    return single(folder, [".tina", ".gguf"])
  }

  private func model(_ folder: String, _ name: HubName, _ commit: String) -> HubCached {
    if Self.exists(folder + "/config.json"),
      Self.exists(folder + "/model.safetensors") || hasShards(folder, "model.safetensors.index.json")
    {
      return isDescribed(folder, name, commit) ? .whole(folder) : .usable(folder)
    }
    return single(folder, [".gguf"])
  }

  private func description(_ folder: String, _ name: HubName, _ commit: String) -> HubCached {
    guard ["config.json", "tokenizer.json"].contains(where: { Self.exists(folder + "/" + $0) }) else {
      return .nothing
    }
    return Self.exists(folder + "/config.json") && isDescribed(folder, name, commit)
      ? .whole(folder) : .usable(folder)
  }

  /// Whether every file that changes a model's answers is there, or is known not to exist. Another program may have
  /// fetched fewer files.
  private func isDescribed(_ folder: String, _ name: HubName, _ commit: String) -> Bool {
    HubSelection.optionalNames.allSatisfy { file in
      Self.exists(folder + "/" + file)
        || isKnownAbsent((name.path.isEmpty ? "" : name.path + "/") + file, commit: commit, of: name)
    }
  }

  /// Whether an index and all files that it lists are there.
  private func hasShards(_ folder: String, _ index: String) -> Bool {
    guard let map = try? JSON.parse(path: folder + "/" + index).object?["weight_map"]?.object else {
      return false
    }
    let names = Set(map.members.compactMap { $0.1.string })
    return !names.isEmpty && names.allSatisfy { HubName.isSafePath($0) && Self.exists(folder + "/" + $0) }
  }

  /// The one file with such an ending.
  private func single(_ folder: String, _ endings: [String]) -> HubCached {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for ending in endings {
      let fitting = names.filter { $0.hasSuffix(ending) && Self.exists(folder + "/" + $0) }
      // The repository may hold more of them than the one that was fetched by its name, hence not `whole`.
      if fitting.count == 1 { return .usable(folder + "/" + fitting[0]) }
    }
    return .nothing
  }
}

extension HubSession {
  /// The path of something on this machine. What the cache lacks is fetched now, if the hub may be asked. What the
  /// cache holds is taken as it is; ``plan(_:want:include:exclude:)`` looks for a newer commit.
  ///
  /// - Parameters:
  ///   - onFetch: called before anything is fetched.
  ///   - onProgress: called while files arrive.
  /// - Throws: ``HubError``.
  public func locate(
    _ name: HubName, want: HubWant, onFetch: (HubPlan) -> Void = { _ in },
    onProgress: @escaping @Sendable (HubProgress) -> Void = { _ in }
  ) throws(HubError) -> String {
    let cached = cache.look(for: name, want: want)
    if case .whole(let path) = cached { return path }
    if settings.isOffline {
      if case .usable(let path) = cached { return path }
      throw offline(name, want: want)
    }
    do throws(HubError) {
      let plan = try plan(name, want: want)
      if !plan.missing.isEmpty { onFetch(plan) }
      return try fetch(plan, onProgress: onProgress).path
    } catch {
      guard case .usable(let path) = cached,
        [.unreachable, .serverFailure, .rateLimited].contains(error.kind)
      else {
        guard error.kind == .unreachable, let remains = cache.remains(of: name, want: want) else {
          throw error
        }
        throw HubError(
          .unreachable, file: error.file,
          found: error.found + "; the cache has a part of \(name): " + remains.text, expected: error.expected,
          advice: "Check the network, then fetch the rest: tina pull \(name)")
      }
      onNote("\(name): the hub does not answer; what the cache has is used (\(path))")
      return path
    }
  }
}
