package dev.hotfire

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurperClassic

/**
 * What `hotfire run --wait -o json` said, in plain maps and lists that survive a restart.
 *
 * Its methods call no step, so none has to be a continuation: loops and closures are safe in them.
 */
class RunReport implements Serializable {

    private static final long serialVersionUID = 1L
    private static final List<String> ARGUMENTS = ['pipeline', 'executable']
    private static final List<String> RED = ['failed', 'errored', 'missing', 'flaky']
    private static final Map<Integer, String> RESULTS = [0: 'SUCCESS', 1: 'UNSTABLE', 124: 'ABORTED', 130: 'ABORTED']
    private static final Map<Integer, String> MEANINGS = [
        0: 'passed',
        1: 'red',
        2: 'wrong usage or wrong input',
        3: 'infrastructure failed or cells were lost',
        4: 'not allowed to speak to the service',
        5: 'nothing was selected',
        6: 'inconclusive',
        8: 'still pending',
        9: 'refused by a policy',
        124: 'time limit reached',
        130: 'interrupted',
    ]

    List<Map> cells = []
    String url = ''
    String verdict = ''
    List<String> reasons = []

    /** The first mistake in the step's arguments, or null. */
    @NonCPS
    static String mistakeIn(Map arguments) {
        for (Object name in arguments.keySet()) {
            if (!ARGUMENTS.contains(name.toString())) {
                return "unknown argument '${name}'; there are ${ARGUMENTS.join(', ')}".toString()
            }
        }
        if (!arguments.pipeline) {
            return "pipeline is missing: hotfire(pipeline: 'pre-merge')"
        }
        if (!(arguments.pipeline.toString() ==~ /[A-Za-z0-9_][A-Za-z0-9_.-]*/)) {
            return "pipeline '${arguments.pipeline}' is no name of a pipeline".toString()
        }
        if (arguments.executable?.toString()?.contains("'")) {
            return 'executable contains a quote'
        }
        return null
    }

    /** A traceback ends with 1 as well; only a report with a verdict proves that tests were red. */
    @NonCPS
    String resultOf(int status) {
        return status == 1 && !verdict ? 'FAILURE' : RESULTS.get(status, 'FAILURE')
    }

    /** Read the report; a run that died before it could write one gives an empty report. */
    @NonCPS
    static RunReport parse(String text) {
        RunReport report = new RunReport()
        if (!text?.trim()?.startsWith('{')) {
            return report
        }
        Map run = (Map) new JsonSlurperClassic().parseText(text)
        report.url = run.url ?: ''
        report.verdict = run.verdict ?: ''
        report.reasons = (run.reasons ?: []).collect { it.toString() }
        report.cells = (run.cells ?: []).collect { cellOf((Map) it) }
        return report
    }

    @NonCPS
    String sentence(int status) {
        boolean broken = status == 1 && !verdict
        String meaning = MEANINGS.get(status, "ended with ${status}".toString())
        List<String> parts = [broken ? 'ended with 1 and no report' : meaning]
        parts.addAll(reasons)
        if (url) {
            parts.add(url)
        }
        return parts.join('; ')
    }

    @NonCPS
    private static Map cellOf(Map cell) {
        Map variant = new TreeMap((Map) (cell.variant ?: [:]))
        String axes = variant.collect { axis, value -> "${axis}=${value}" }.join(' ')
        String name = "${cell.task} ${axes}".trim()
        String reason = cell.reason ? ": ${cell.reason}" : ''
        return [name: name, red: RED.contains(cell.verdict), sentence: "${name} ${cell.verdict}${reason}".toString()]
    }

}
