/** Stands for Jenkins's annotation, so that the semantic rules can resolve a Jenkinsfile. */
@interface Library {

    String[] value()

}
