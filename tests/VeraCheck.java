import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;

/** Checks the files named on standard input. A line for each broken rule, then END: verdict, file number, words. */
public class VeraCheck {
    private static final int FAILURES_KEPT = 200;

    public static void main(String[] arguments) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        PDFAFlavour flavour = PDFAFlavour.byFlavourId(arguments[0]);
        BufferedReader names = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int number = 0;
        for (String name = names.readLine(); name != null; name = names.readLine()) {
            for (String line : check(Path.of(name), flavour)) {
                System.out.println(line.replaceFirst("#", Integer.toString(number)));
            }
            System.out.println("END\t" + number + "\t");
            System.out.flush();
            number++;
        }
    }

    private static Set<String> check(Path path, PDFAFlavour flavour) {
        Set<String> lines = new TreeSet<>();
        try (InputStream file = Files.newInputStream(path);
                PDFAParser parser = Foundries.defaultInstance().createParser(file, flavour);
                PDFAValidator validator =
                        Foundries.defaultInstance().createValidator(flavour, FAILURES_KEPT, false, false, false)) {
            for (TestAssertion assertion : validator.validate(parser).getTestAssertions()) {
                if (assertion.getStatus() != TestAssertion.Status.PASSED) {
                    lines.add("FAIL\t#\t" + assertion.getRuleId().getClause() + "-" + assertion.getRuleId().getTestNumber()
                            + " " + plain(assertion.getMessage()));
                }
            }
        } catch (Exception error) {
            lines.add("FAIL\t#\t" + plain(error.toString()));
        }
        return lines;
    }

    private static String plain(String words) {
        return words.replaceAll("\\s+", " ").trim();
    }
}
