import Evaluation
import Foundation
import ModelFiles
import Reporting
import TestSupport
import Testing

@testable import Sweeping
@testable import Trainer

@Suite struct ReportTests {
  /// A run's folder as training leaves it, with curves of so many steps.
  private func make(
    _ folder: String, set: [(String, String)], seed: Int, steps: Int, right: [Int]?, transition: Int? = nil
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let object = { (members: [(String, JSONValue)]) in JSONObject(members.map { (key: $0.0, value: $0.1) }) }
    try SweepFolder.write(
      object([("set", .object(object(set.map { ($0.0, .string($0.1)) }))), ("seed", JSONValue(seed))]),
      to: folder + "/run.json")
    try SweepFolder.write(
      object([("base", .string("pico")), ("seed", .string("\(seed)"))]), to: folder + "/about.json")
    var lines = ""
    let names = [
      "reward", "rewards/format_reward/mean", "rewards/accuracy_reward/mean", "completions/mean_length", "kl",
      "entropy", "grad_norm", "adapter_norm", "frac_reward_zero_std", "tokens_per_second", "loss",
      "completions/clipped_ratio",
    ]
    for step in 1...steps {
      var members: [(String, JSONValue)] = [("step", JSONValue(step)), ("step_time", JSONValue(0.5))]
      members += names.enumerated().map { i, name in
        (name, JSONValue(sin(Double(step * (i + 1) + seed) / 7) + Double(i)))
      }
      members.append(("num_tokens", JSONValue(1000 * step)))
      lines += JSONValue.object(object(members)).text() + "\n"
    }
    try lines.write(toFile: folder + "/metrics.jsonl", atomically: true, encoding: .utf8)
    if let transition {
      try SweepFolder.write(
        object([
          ("transition_step", JSONValue(transition)), ("last_before_transition", JSONValue(transition - 1)),
        ]),
        to: folder + "/marks.json")
    }
    guard let right else { return }
    var result = RunResult(recipe: "r", evaluation: "evaluation-x")
    result.last = steps
    result.problems = "p"
    result.scores = [
      .init(step: steps, samples: 4, right: right, format: 0.9, truncated: 0.01, meanTokens: 40)
    ]
    try result.write(to: folder)
  }

  @Test func onlyWhatDiffersIsShown() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    for (rank, right) in [("4", [4, 4, 3, 4, 2, 4, 4, 4]), ("16", [0, 1, 0, 0, 2, 0, 1, 0])] {
      for seed in [1, 2] {
        try make(
          folder + "/\(rank)-\(seed)", set: [("lora_r", rank), ("learning_rate", "1e-3")], seed: seed,
          steps: 12,
          right: right, transition: seed == 1 ? 8 : nil)
      }
    }
    let folders = ["4-1", "4-2", "16-1", "16-2"].map { folder + "/" + $0 }
    let comparison = try ComparisonReport.runs(folders, dollarsPerHour: 3600)
    #expect(comparison.keys == ["lora_r"] && comparison.arms.map(\.title) == ["lora_r 4", "lora_r 16"])
    #expect(comparison.arms.map(\.runs.count) == [2, 2])
    let pair = try #require(comparison.pairs.first)
    #expect(pair.first == "lora_r 4" && pair.second == "lora_r 16" && pair.comparison.verdict == .worse)
    let page = ComparisonPage(comparison).html
    #expect(page.contains("<b>lora_r</b>: 4, 16") && !page.contains("<b>learning_rate</b>"))
    for text in ["Pass@1 against lora_r", "Pass@1 against dollars", "band", "worse", "8, –", "reward"] {
      #expect(page.contains(text), "\(text)")
    }
    // 12 steps of half a second at a dollar a second.
    let csv = ComparisonData(comparison).csv.split(separator: "\r\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(csv.count == 5 && csv[0][1] == "lora_r" && csv[1].last == "6.0")
    let json = ComparisonData(comparison).json
    #expect(json["arms"]?.array?.count == 2 && json["runs"]?.array?.count == 4)
    #expect(!JSONValue.object(json).text().contains("nan"))
  }

  /// Each run's folder holds every key. What follows from a sweep's own is no difference.
  @Test func defaultsThatFollowAreNoDifferences() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    for (count, seed) in [(4, 1), (8, 1), (4, 2), (8, 2)] {
      let run = folder + "/\(count)-\(seed)"
      try make(run, set: [("num_generations", "\(count)")], seed: seed, steps: 3, right: nil)
      try "num_generations: \(count)\nper_device_train_batch_size: \(count)\nbeta: 0\n".write(
        toFile: run + "/recipe.yaml", atomically: true, encoding: .utf8)
    }
    let runs = try ["4-1", "8-1", "4-2", "8-2"].map { (name) throws in
      try RunRecord(folder + "/" + name, name: name)
    }
    let sweep = RunComparison("", runs, base: nil, dollarsPerHour: nil, order: ["num_generations"])
    #expect(sweep.keys == ["num_generations"] && sweep.arms.count == 2)
    let others = RunComparison("", runs, base: nil, dollarsPerHour: nil)
    #expect(others.keys == ["num_generations", "per_device_train_batch_size"])
  }

  @Test func runsWithoutEvaluationHaveCurvesAllTheSame() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    try make(folder + "/a", set: [("beta", "0")], seed: 1, steps: 3, right: nil)
    try make(folder + "/b", set: [("beta", "0.0")], seed: 1, steps: 3, right: nil)
    let comparison = try ComparisonReport.runs([folder + "/a", folder + "/b"], dollarsPerHour: nil)
    // The same number in other letters is no difference; the runs are told apart by name.
    #expect(comparison.keys == ["run"] && comparison.pairs.isEmpty)
    let page = ComparisonPage(comparison).html
    #expect(page.contains("nothing to compare") && page.contains("by their folders alone"))
    #expect(throws: SweepError.self) { try ComparisonReport.runs([folder + "/c"], dollarsPerHour: nil) }
  }

  @Test func theBaseStandsInTheColumnsOfTheRuns() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    for seed in [1, 2] {
      try make(folder + "/\(seed)", set: [], seed: seed, steps: 3, right: [4, 1, 0, 2])
    }
    let base = try #require(RunResult(of: folder + "/1"))
    for set in [[], ["lora_r"]] {
      if !set.isEmpty {
        try make(folder + "/2", set: [("lora_r", "4")], seed: 2, steps: 3, right: [4, 1, 0, 2])
      }
      let runs = try ["1", "2"].map { (name) throws in try RunRecord(folder + "/" + name, name: name) }
      var untouched = base
      untouched.last = nil
      untouched.scores = base.scores.map { score in
        .init(
          step: nil, samples: score.samples, right: score.right, format: score.format,
          truncated: score.truncated, meanTokens: score.meanTokens)
      }
      let page = ComparisonPage(RunComparison("", runs, base: untouched, dollarsPerHour: nil)).html
      let rows = page.split(separator: "<tr>").filter { $0.contains("<td>base</td>") }
      let head = try #require(page.split(separator: "<tr>").first { $0.contains("Pass@1 (95 %)") })
      let place = head.split(separator: "<th>").firstIndex { $0.contains("Pass@1") }
      let found = try #require(rows.first).split(separator: "<td>").firstIndex { $0.contains("%") }
      #expect(place == found && place != nil, "\(page)")
      // A second and a half is no 0.000417 hours.
      #expect(head.contains("seconds") && !page.contains("hours"))
    }
  }

  /// A base other than Pico has a folder with its name.
  @Test func theBaseThatAllRunsShareIsFound() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    let right = [4, 4, 3, 4, 2, 4, 4, 4]
    func report(_ models: [String]) throws -> RunComparison {
      for (i, model) in models.enumerated() {
        try make(
          folder + "/\(i)", set: [("model_name_or_path", "\"\(model)\"")], seed: i, steps: 3, right: right)
      }
      let names = models.indices.map { JSONValue.string("\($0)") }
      try SweepFolder.write(JSONObject([(key: "runs", value: .array(names))]), to: folder + "/sweep.json")
      return try ComparisonReport.sweep(folder, dollarsPerHour: nil).0
    }
    try make(folder + "/base=small", set: [], seed: 0, steps: 1, right: nil)
    var base = RunResult(recipe: "", evaluation: "evaluation-x")
    base.problems = "p"
    base.scores = [
      .init(
        step: nil, samples: 4, right: [0, 1, 0, 0, 2, 0, 1, 0], format: 0.5, truncated: 0, meanTokens: 40)
    ]
    try base.write(to: folder + "/base=small")
    let shared = try report(["models/small", "models/small"])
    #expect(shared.base != nil && shared.pairs.map(\.first) == ["base"])
    #expect(ComparisonPage(shared).html.contains("2 runs, 1 setting, 2 seeds · "))
    // Of two bases, none is the measure of both.
    let several = try report(["models/small", "models/other"])
    #expect(several.base == nil && several.pairs.map(\.first) == ["model_name_or_path \"models/small\""])
    // Without a base, one setting has nothing beside it.
    let alone = try report(["models/other", "models/other"])
    #expect(alone.base == nil && ComparisonPage(alone).html.contains("One setting alone has scores"))
    // Pico's folder has no name in it; the runs' recipes have its path.
    try base.write(to: temporary.makeFolder("base"))
    let pico = try report(["/checkout/Models/pico", "/checkout/Models/pico"])
    #expect(pico.base != nil && pico.pairs.map(\.first) == ["base"])
    #expect(try report(["models/other", "models/other"]).base == nil)
  }

  @Test func namesBelowAnAxisLeaveRoomForEachOther() {
    for count in 1...30 {
      let names = (0..<count).map { "a-long-name-of-a-file-\($0)" }
      let (axis, places) = ScoreCharts.axis("dataset_path", names)
      #expect(axis.ticks.map { $0.label.count + 1 }.reduce(0, +) <= 60 && places.last == Double(count - 1))
    }
  }

  @Test func pathsAreShownWithoutStepsBack() {
    for (path, shown) in [
      ("Experiments/../Recipes/pico.yaml", "Recipes/pico.yaml"), ("../a/b.yaml", "../a/b.yaml"),
      ("../../a/../b", "../../b"), ("/a/../../b", "/../b"), ("./a", "a"),
    ] {
      #expect(ComparisonReport.straight(path) == shown)
    }
  }

  @Test func namesFromFilesCantBreakThePage() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    for value in ["<script>alert(1)</script>", "\"quoted\", and more"] {
      try make(folder + "/\(value.count)", set: [("system_prompt", value)], seed: 1, steps: 3, right: [1, 2])
    }
    let folders = ["25", "18"].map { folder + "/" + $0 }
    let comparison = try ComparisonReport.runs(folders, dollarsPerHour: nil)
    #expect(!ComparisonPage(comparison).html.contains("<script>"))
    #expect(ComparisonData(comparison).csv.contains("\"\"\"quoted\"\", and more\""))
  }

  /// Twenty-one long runs fit into 3 MB.
  @Test func manyRunsMakeASmallPage() throws {
    let temporary = TemporaryFolder()
    let folder = temporary.path
    var folders: [String] = []
    for i in 0..<21 {
      let path = folder + "/\(i)"
      try make(
        path, set: [("lora_r", "\(i + 1)")], seed: 1, steps: 1000, right: (0..<100).map { ($0 * (i + 3)) % 5 }
      )
      folders.append(path)
    }
    let comparison = try ComparisonReport.runs(folders, dollarsPerHour: nil)
    let page = ComparisonPage(comparison).html
    #expect(comparison.arms.count == 21 && page.utf8.count < 1_500_000, "\(page.utf8.count) bytes")
    #expect(page.contains(".series20{"))
  }
}
