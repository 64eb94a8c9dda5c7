import ArgumentParser
import Foundation
import ModelFiles
import Sweeping
import Trainer

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a page of a training run, of several beside each other, or of a sweep.",
    usage: "tina report <run>... [<options>]\n       tina report <sweep> [<options>]",
    discussion: """
      One run gives its curves and completions. Several runs, or a sweep by its folder or its file, give one page with \
      what differs between them, curves with bands over seeds, scores with 95 % intervals against what was varied and \
      what it cost, and paired comparisons; beside the page lie the same data as JSON and CSV.

      EXAMPLES:
        tina report runs/pico
        tina report runs/pico runs/second --output both.html
        tina report runs/ranks --dollars-per-hour 0.5
      """)

  @Argument(help: "Folders of runs, or one sweep.", completion: .directory)
  var runs: [String]

  @Option(
    help: "The page; report.html in the run's or the sweep's folder, or here for several runs, unless given.",
    completion: .file(extensions: ["html"]))
  var output: String?

  @Option(help: "What an hour of the machine costs in dollars; the sweep's unless given.")
  var dollarsPerHour: Double?

  @Flag(help: "Print the comparison of several runs as one JSON object, and write no file.")
  var json = false

  func validate() throws {
    if let dollarsPerHour, !(dollarsPerHour >= 0 && dollarsPerHour.isFinite) {
      throw ValidationError("--dollars-per-hour: found \(dollarsPerHour), expected 0 or more.")
    }
    if runs.count > 1, let sweep = runs.first(where: { ComparisonReport.isSweep($0) }) {
      throw ValidationError(
        "\(sweep): found a sweep among several paths, expected it alone, or folders of runs.")
    }
    if json, runs.count == 1, !ComparisonReport.isSweep(runs[0]) {
      throw ValidationError("--json is for several runs or a sweep: one run has its metrics.jsonl.")
    }
  }

  func run() throws {
    if runs.count == 1, !ComparisonReport.isSweep(runs[0]) {
      let page = try RunReport.html(run: runs[0])
      let path = output ?? runs[0] + "/report.html"
      try FileWriter.write(Array(page.utf8), to: path)
      return try Terminal.writeData(path)
    }
    let (comparison, folder) =
      runs.count == 1
      ? try ComparisonReport.sweep(runs[0], dollarsPerHour: dollarsPerHour)
      : (try ComparisonReport.runs(runs, dollarsPerHour: dollarsPerHour), folder: ".")
    if json { return try Terminal.writeData(JSONValue.object(ComparisonData(comparison).json).line) }
    let path = output ?? (folder == "." ? "report.html" : folder + "/report.html")
    for file in try ComparisonReport.write(comparison, to: path) { try Terminal.writeData(file) }
  }
}
