import ArgumentParser
import Foundation
import Trainer

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a page with the curves of a training run.",
    discussion: """
      EXAMPLES:
        tina report runs/pico
        tina report runs/pico --output report.html
      """)

  @Argument(help: "The run's folder.", completion: .directory)
  var folder: String

  @Option(help: "The page; report.html in the run's folder unless given.")
  var output: String?

  func run() throws {
    let page = try RunReport.html(run: folder)
    let path = output ?? folder + "/report.html"
    try page.write(toFile: path, atomically: true, encoding: .utf8)
    Terminal.writeLine(path)
  }
}
