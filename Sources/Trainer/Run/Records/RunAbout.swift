import AdapterFormat
import CBuild
import CKernels
import Foundation
import ModelFiles
import Support
import TinaRuntime

/// What a run says of itself in its folder: `about.json` for reports, and the recipe that makes it again.
extension RunSetup {
  /// The recipe as it was resolved.
  var resolved: ResolvedRecipe {
    var recipe = recipe
    recipe.model = Self.address(model.directory.path)
    recipe.datasetPath = Self.address(data.path)
    recipe.heldOutPath = heldOut.map { Self.address($0.path) }
    recipe.initAdapter = recipe.initAdapter.map(Self.address)
    return ResolvedRecipe(recipe)
  }

  /// A path as a later run finds it from any folder: on the hub with its revision, or absolute.
  private static func address(_ path: String) -> String {
    HubOrigin(path: path)?.address ?? URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// - Parameters:
  ///   - step: the step after which the run goes on; 0 for a new one.
  ///   - earlier: the file as an earlier process of the run left it.
  ///   - options: what the recipe does not hold.
  func about(goingOnAfter step: Int, _ earlier: JSONObject?, _ options: TrainingOptions) -> JSONObject {
    let name = { (path: String) in JSONValue.string(NSString(string: path).lastPathComponent) }
    let rewards = recipe.method == .sft ? [] : recipe.rewards
    var members: [(key: String, value: JSONValue)] = [
      ("base", name(model.directory.path)),
      ("data", recipe.datasetName.isEmpty ? name(data.path) : .string(recipe.datasetName)),
      ("algorithm", .string(recipe.method.rawValue)), ("loss_type", .string(recipe.lossName)),
      ("seed", .string("\(recipe.seed)")), ("template", .string(builder.about.template)),
      ("system", builder.about.system.map { .string($0) } ?? .null),
      ("recipe", .string(recipe.path)), ("recipe_sha256", .string(recipe.digest)),
      ("base_sha256", .string(base.digestText)),
      ("data_file", Self.file(data.path, data.digest, data.count)),
      ("held_out_file", heldOut.map { Self.file($0.path, $0.digest, $0.problems.count) } ?? .null),
      ("parameters", JSONValue(modules.reduce(0) { $0 + $1.count(model.config) })),
      ("learning_rate", JSONValue(recipe.optimizer.learningRate)),
      ("rank", JSONValue((start?.settings ?? recipe.lora).rank)),
      ("alpha", JSONValue((start?.settings ?? recipe.lora).alpha)),
      (
        "rewards",
        .array(rewards.map { .record(["name": .string($0.name), "weight": JSONValue($0.weight)]) })
      ),
      ("total_steps", JSONValue(totalSteps)), ("completions_per_step", JSONValue(recipe.stepSize)),
      ("activations", .string(recipe.activations.rawValue)),
      ("cache_type", .string(options.cacheType.rawValue)), ("row_limit", JSONValue(plan.rowLimit)),
      ("dollars_per_hour", recipe.dollarsPerHour.map { JSONValue($0) } ?? .null),
    ]
    if let origin = HubOrigin(path: model.directory.path) { members.append(("base_origin", origin.json)) }
    if let start { members.append(("init", .object(start.ancestry))) }
    let sessions = Array((earlier?["sessions"]?.array ?? []).suffix(99))
    members.append(("sessions", .array(sessions + [session(step)])))
    return JSONObject(members)
  }

  /// A file of data: where it is, what it holds.
  private static func file(_ path: String, _ digest: String, _ count: Int) -> JSONValue {
    .record([
      "path": .string(path), "sha256": .string(digest), "records": JSONValue(count),
      "origin": HubOrigin(path: path)?.json ?? .null,
    ])
  }

  /// What a process of the run is and where it works.
  private func session(_ step: Int) -> JSONValue {
    .record([
      "after_step": JSONValue(step), "date": .string(Date().formatted(.iso8601)),
      "version": .string(tinaVersion), "commit": .string(unsafe String(cString: cb_commit())),
      "machine": .record([
        "processor": .string(Self.processor), "threads": JSONValue(model.threads),
        "kernels": .string(unsafe String(cString: tk_isa())),
        "memory_bytes": JSONValue(Int(clamping: ProcessInfo.processInfo.physicalMemory)),
        "system": .string(ProcessInfo.processInfo.operatingSystemVersionString),
      ]),
    ])
  }

  /// The processor's model.
  private static var processor: String {
    let lines = KernelPathMemory.processor.split(separator: "; ")
    guard let line = lines.first(where: { $0.hasPrefix("model name") }) else {
      return String(KernelPathMemory.processor.prefix(80))
    }
    return line.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
  }

  /// The facts of `about.json`, for people.
  static func facts(_ about: JSONObject) -> [String] {
    let text = { (key: String) in about[key]?.string }
    let number = { (key: String) in about[key]?.double.map { String(format: "%g", $0) } }
    let rewards = (about["rewards"]?.array ?? []).compactMap { reward -> String? in
      guard let name = reward.object?["name"]?.string, let weight = reward.object?["weight"]?.double else {
        return nil
      }
      return String(format: "%@ × %g", name, weight)
    }
    let file = about["data_file"]?.object
    let origin = file?["origin"]?.object
    let session = about["sessions"]?.array?.last?.object
    let machine = session?["machine"]?.object
    return [
      text("algorithm").map { $0 == "sft" ? "supervised fine-tuning" : $0.uppercased() },
      text("loss_type").map { "loss \($0)" }, number("rank").map { "rank \($0)" },
      number("alpha").map { "alpha \($0)" }, number("learning_rate").map { "learning rate \($0)" },
      rewards.isEmpty ? nil : "rewards " + rewards.joined(separator: " + "),
      text("seed").map { "seed \($0)" },
      file?["records"]?.int.map { "\($0) records" },
      file?["sha256"]?.string.map { "data digest \($0.prefix(12))" },
      origin?["repository"]?.string.map {
        "\($0) at revision \((origin?["revision"]?.string ?? "").prefix(12))"
      },
      text("base_sha256").map { "base digest \($0.prefix(12))" },
      text("template").map { "template \($0)" }, text("system").map { "system message “\($0)”" },
      session?["version"]?.string.map { "tina \($0)" },
      machine?["processor"]?.string.map { "\($0), \(machine?["threads"]?.int ?? 0) threads" },
    ].compactMap(\.self)
  }
}
