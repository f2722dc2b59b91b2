import dev.hotfire.RunReport

/** Run one Hotfire pipeline and give the build its verdict; hotfire.txt describes the arguments. */
void call(Map arguments = [:]) {
    String mistake = RunReport.mistakeIn(arguments)
    if (mistake) {
        error("hotfire: ${mistake}")
    }
    String executable = arguments.executable ?: '.venv/bin/hotfire'
    int status = sh(
        label: "hotfire run ${arguments.pipeline}",
        script: "'${executable}' run '${arguments.pipeline}' --wait -o json > hotfire-run.json",
        returnStatus: true,
    )
    RunReport report = RunReport.parse(fileExists('hotfire-run.json') ? readFile('hotfire-run.json') : '')
    showCells(report)
    String sentence = "hotfire ${arguments.pipeline}: ${report.sentence(status)}"
    String result = report.resultOf(status)
    if (result == 'SUCCESS') {
        echo(sentence)
    } else if (result == 'UNSTABLE') {
        unstable(sentence)
    } else {
        currentBuild.result = result
        error(sentence)
    }
}

/** One branch per cell, so that the stage view shows them; a branch starts and retries nothing. */
private void showCells(RunReport report) {
    Map branches = [:]
    for (int i = 0; i < report.cells.size(); i++) {
        Map cell = report.cells[i]
        branches[cell.name] = { -> cell.red ? unstable(cell.sentence) : echo(cell.sentence) }
    }
    if (branches) {
        parallel(branches)
    }
}
